import { describe, expect, it } from "vitest";
import { partOf } from "./rules.js";
import { sourceFiles } from "./source-files.js";
import type { Import } from "./source-files.js";

/** The files that a person starts. */
const entries = ["src/main.ts", "src/cli/main.ts", "src/demo/"];

/** Words that only some files may say, and why. A file is named by its path or by the folder that it is in. */
const reserved: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly onlyIn: readonly string[];
}[] = [
  {
    what: "reads a variable of the environment by its name, which src/config.ts alone does",
    pattern: /\bprocess\s*\.env\s*(?:\.|\[|\?)/u,
    onlyIn: ["src/config.ts"],
  },
  {
    what: "takes the environment, which the programs' entries hand on",
    pattern: /\bprocess\s*\.env\b/u,
    onlyIn: entries,
  },
  {
    what: "reads the arguments, which belong to the programs' entries",
    pattern: /\bprocess\s*\.argv\b|\bparseArgs\(/u,
    onlyIn: entries,
  },
  {
    // "message" and "disconnect" are no signals: they come over the channel between a supervisor and its child.
    what: "listens to signals of the process, which belong to the programs' entries",
    pattern: /\bprocess\s*\.(?:on|once|addListener)\((?!\s*"(?:message|disconnect)")/u,
    onlyIn: entries,
  },
];

/** The domain takes time, ids and chance as data, so that a decision can be made again. */
const impure =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bprocess\.|\bperformance\.|\bcrypto\.|\bconsole\.|\bset(?:Timeout|Interval|Immediate)\b|\bfetch\(|\basync\b|\bawait\b/u;

const files = sourceFiles("src");

function isIn(path: string, places: readonly string[]): boolean {
  return places.some((place) => path === place || (place.endsWith("/") && path.startsWith(place)));
}

function usesInversify(path: string, { specifier, typeOnly }: Import): boolean {
  return /^(?:@inversifyjs\/|inversify)/u.test(specifier) && !(typeOnly && /^src\/(?:http-)?roles\.ts$/u.test(path));
}

describe("what belongs to one place is in no other", () => {
  it.each(reserved)("no other file $what", ({ pattern, onlyIn }) => {
    expect(files.filter(({ path, code }) => pattern.test(code) && !isIn(path, onlyIn)).map(({ path }) => path)).toEqual(
      [],
    );
  });

  it("inversify is in the composition root and on resolvers; the roles know its container's type", () => {
    expect(
      files
        .filter(({ path, imports }) => imports.some((imported) => usesInversify(path, imported)))
        .map(({ path }) => path)
        .filter((path) => path !== "src/container.ts" && !/^src\/graphql\/.*resolver\.ts$/u.test(path)),
    ).toEqual([]);
  });
});

describe("the domain is pure", () => {
  const domain = files.filter(({ path }) => partOf(path) === "domain");

  it("is there to be checked", () => {
    expect(domain.length).toBeGreaterThan(10);
  });

  it("imports no package and no builtin", () => {
    expect(
      domain.flatMap(({ path, imports }) =>
        imports.flatMap(({ file, specifier }) => (file === undefined ? [`${path} imports ${specifier}`] : [])),
      ),
    ).toEqual([]);
  });

  it("has no clock, no chance, no I/O and nothing to wait for", () => {
    expect(
      domain.flatMap(({ path, code }) =>
        code.split("\n").flatMap((line) => (impure.test(line) ? [`${path}: ${line.trim()}`] : [])),
      ),
    ).toEqual([]);
  });
});
