import { describe, expect, it } from "vitest";
import { sourceFiles } from "./source-files.js";
import type { Import, SourceFile } from "./source-files.js";

/**
 * How much of another part may be imported: `all` its files, its `index` alone (the port that it declares), or only the
 * `types` of its files, so that the thing itself comes as an argument.
 */
type Extent = "all" | "index" | "types";

/**
 * Who may import whom; what is not here is refused. Within one's own part everything goes.
 * A part is a folder of src, a folder within one that has rules of its own, or a file of src.
 */
const mayImport: Readonly<Record<string, Readonly<Record<string, Extent>>>> = {
  domain: {},
  platform: {},
  config: {},
  events: { domain: "all" },
  engines: { platform: "all" },
  embedded: { platform: "all" },
  commands: { domain: "all", events: "all", engines: "all", platform: "all" },
  // Process managers stand at the end of the rivers: they read what devices said and what the read models show.
  "commands/processes": {
    domain: "all",
    events: "all",
    engines: "all",
    platform: "all",
    commands: "all",
    projections: "index",
    ingest: "index",
  },
  projections: { domain: "all", events: "all", engines: "all", platform: "all", commands: "index" },
  ingest: { domain: "all", engines: "all", platform: "all", projections: "index" },
  processing: {
    domain: "all",
    events: "all",
    engines: "all",
    platform: "all",
    commands: "index",
    projections: "index",
    ingest: "index",
  },
  graphql: {
    domain: "all",
    events: "all",
    platform: "all",
    engines: "types",
    commands: "index",
    "commands/processes": "types",
    projections: "index",
    ingest: "types",
    rest: "all",
  },
  rest: {
    domain: "all",
    events: "all",
    platform: "all",
    engines: "types",
    commands: "index",
    "commands/processes": "types",
    projections: "index",
    ingest: "types",
    graphql: "all",
  },
  cli: {
    domain: "all",
    events: "all",
    platform: "all",
    config: "all",
    engines: "all",
    commands: "index",
    projections: "index",
    rest: "all",
  },
  demo: {
    domain: "all",
    events: "all",
    platform: "all",
    config: "all",
    engines: "all",
    commands: "index",
    rest: "all",
    supervisor: "all",
  },
  container: {
    domain: "all",
    platform: "all",
    config: "all",
    events: "all",
    engines: "all",
    embedded: "all",
    commands: "all",
    "commands/processes": "all",
    projections: "all",
    ingest: "all",
    processing: "all",
    graphql: "all",
    rest: "all",
  },
  "data-dir": { platform: "all" },
  "process-report": { platform: "all" },
  supervisor: { platform: "all", config: "all", embedded: "all", "data-dir": "all", "process-report": "all" },
  "run-roles": { platform: "all", config: "all", embedded: "all", container: "all", "process-report": "all" },
  main: { platform: "all", config: "all", embedded: "all", container: "all", supervisor: "all", "run-roles": "all" },
};

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
    // A child that its parent's end reaches over the IPC channel listens to "disconnect": no signal, and no business of main's.
    what: "listens to signals of the process, which belong to the programs' entries",
    pattern: /\bprocess\s*\.(?:on|once|addListener)\((?!\s*"disconnect")/u,
    onlyIn: entries,
  },
];

/** The domain takes time, ids and chance as data, so that a decision can be made again. */
const impure =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bprocess\.|\bperformance\.|\bcrypto\.|\bconsole\.|\bset(?:Timeout|Interval|Immediate)\b|\bfetch\(|\basync\b|\bawait\b/u;

const files = sourceFiles("src");
const parts = Object.keys(mayImport).toSorted((a, b) => b.length - a.length);

/** `src/commands/processes/x.ts` → `commands/processes`; `src/config.ts` → `config`; undefined for a part without rules. */
function partOf(path: string): string | undefined {
  return parts.find((part) => path === `src/${part}.ts` || path.startsWith(`src/${part}/`));
}

/** Says what is wrong with an import, and by which rule; undefined when nothing is. */
function objection({ path }: SourceFile, { file, typeOnly }: Import): string | undefined {
  if (file === undefined) return undefined;
  const from = partOf(path);
  const to = partOf(file);
  const said = `${path} imports ${file}`;
  if (from === undefined || to === undefined) {
    return `${said}: give ${from === undefined ? path : file} its row in the table of test/architecture/dependencies.test.ts`;
  }
  if (from === to) return undefined;
  const extent = mayImport[from]?.[to];
  switch (extent) {
    case undefined:
      return `${said}: ${from} may not import ${to}`;
    case "all":
      return undefined;
    case "index":
      return file === `src/${to}/index.ts` ? undefined : `${said}: ${from} may import ${to} through its index.ts only`;
    case "types":
      return typeOnly
        ? undefined
        : `${said}: ${from} may only import types of ${to}, and takes the thing as an argument`;
  }
}

function isIn(path: string, places: readonly string[]): boolean {
  return places.some((place) => path === place || (place.endsWith("/") && path.startsWith(place)));
}

describe("dependencies between the parts of src", () => {
  it("every file belongs to a part that the table knows", () => {
    expect(files.map(({ path }) => path).filter((path) => partOf(path) === undefined)).toEqual([]);
  });

  it("every import is allowed by the table", () => {
    expect(files.flatMap((file) => file.imports.flatMap((imported) => objection(file, imported) ?? []))).toEqual([]);
  });

  it("every relative import names a file of src", () => {
    const known = new Set(files.map(({ path }) => path));
    expect(
      files.flatMap(({ path, imports }) =>
        imports.flatMap(({ file, specifier }) =>
          file === undefined || known.has(file) ? [] : [`${path} imports ${specifier}, which is no file of src`],
        ),
      ),
    ).toEqual([]);
  });

  it("no file imports itself, however long the way round", () => {
    expect(cycles(files)).toEqual([]);
  });
});

describe("what belongs to one place is in no other", () => {
  it.each(reserved)("no other file $what", ({ pattern, onlyIn }) => {
    expect(files.filter(({ path, code }) => pattern.test(code) && !isIn(path, onlyIn)).map(({ path }) => path)).toEqual(
      [],
    );
  });

  it("inversify is in the composition root and on resolvers", () => {
    expect(
      files
        .filter(({ imports }) => imports.some(({ specifier }) => specifier.startsWith("inversify")))
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

/** Each cycle of imports that are there at run time, as `a → b → a`, found by a walk that meets every file once. */
function cycles(all: readonly SourceFile[]): readonly string[] {
  const next = new Map(
    all.map(({ path, imports }) => [
      path,
      imports.flatMap(({ file, typeOnly }) => (file === undefined || typeOnly ? [] : [file])),
    ]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(path);
    if (seen >= 0) found.push([...trail.slice(seen), path].join(" → "));
    if (seen >= 0 || done.has(path)) return;
    for (const to of next.get(path) ?? []) walk(to, [...trail, path]);
    done.add(path);
  };
  for (const path of next.keys()) walk(path, []);
  return found;
}
