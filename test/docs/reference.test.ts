import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createProgram } from "../../src/cli/run.js";
import { configSchema, readConfig } from "../../src/config.js";
import { schemaVersionOf } from "../../src/events/index.js";
import { errorTable } from "../../src/platform/errors.js";
import { streams } from "../../src/platform/subjects.js";
import { sourceFiles } from "../architecture/source-files.js";
import { commandLinePage } from "./command-line.js";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** The rows of a page's tables: cells without their marks. */
function rows(path: string): readonly (readonly string[])[] {
  return read(path)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/u)
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
}

describe("docs/reference/configuration.md", () => {
  const documented = new Map(rows("docs/reference/configuration.md").map(([name = "", value = ""]) => [name, value]));
  const defaults = readConfig({});
  const keys = Object.keys(configSchema.shape) as (keyof typeof configSchema.shape)[];

  it.each(keys)("says what %s is when it is not set", (key) => {
    // Where nothing is the default, the page says in words what happens.
    const value = defaults[key] ?? documented.get(key);
    expect(value).toBeDefined();
    expect(documented.get(key)).toBe(Array.isArray(value) ? value.join(",") : String(value));
  });

  it("has no variable that is none", () => {
    const named = [...documented.keys()].filter((name) => /^[A-Z_]+$/u.test(name));
    expect(named.filter((name) => !(keys as readonly string[]).includes(name))).toEqual([]);
  });
});

describe("docs/reference/errors.md", () => {
  it("is the error table", () => {
    const documented = rows("docs/reference/errors.md").filter(([code = ""]) => /^[A-Z_]+$/u.test(code));
    const table = Object.entries(errorTable).map(([code, { http, mqtt, coap, meaning }]) => [
      code,
      String(http),
      `0x${mqtt.toString(16)}`,
      coap,
      meaning,
    ]);
    expect(documented.map((cells) => cells.slice(0, 5))).toEqual(table);
  });
});

describe("docs/reference/events.md", () => {
  const page = read("docs/reference/events.md");
  const examples = new Map(
    [...page.matchAll(/^### (\w+)$.*?^```json\n(.*?)\n```$/gmsu)].map(([, type = "", json = ""]) => [
      type,
      JSON.parse(json) as unknown,
    ]),
  );
  const golden = readdirSync(join(root, "test/golden")).filter((name) => name.endsWith(".json"));
  const newest = golden.filter((name) => name.endsWith(`.v${schemaVersionOf(name.split(".")[0] ?? "")}.json`));

  it("has an example of every event type, and of nothing else", () => {
    expect(new Set(examples.keys())).toEqual(new Set(golden.map((name) => name.split(".")[0])));
  });

  it.each(newest)("shows what %s keeps", (name) => {
    const { type, data } = JSON.parse(read(`test/golden/${name}`)) as { readonly type: string; readonly data: unknown };
    expect(examples.get(type)).toEqual(data);
  });
});

describe("docs/reference/metrics.md", () => {
  it("names every metric of ours, and no other", () => {
    const ours = sourceFiles("src").flatMap(({ code }) => code.match(/(?<=")fleetlog_[a-z_]+(?=")/gu) ?? []);
    const documented = rows("docs/reference/metrics.md")
      .map(([name = ""]) => name)
      .filter((name) => name.startsWith("fleetlog_"));
    expect(documented.toSorted()).toEqual([...new Set(ours)].toSorted());
  });
});

describe("docs/reference/subjects.md", () => {
  it.each(Object.values(streams))("says what %s holds", (stream) => {
    expect(read("docs/reference/subjects.md")).toContain(`\`${stream}\``);
  });
});

describe("README.md", () => {
  it.each(markdown("docs"))("leads to %s", (page) => {
    expect(read("README.md")).toContain(`](${page})`);
  });
});

describe("docs/reference/cli.md", () => {
  it("is what the program says; `npx vitest run test/docs -u` prints it anew", async () => {
    const nowhere = { write: () => true };
    const program = createProgram({
      environment: {},
      stdout: nowhere,
      stderr: nowhere,
      signal: new AbortController().signal,
    });
    await expect(commandLinePage(program)).toMatchFileSnapshot("../../docs/reference/cli.md");
  });
});

describe("the links between the pages", () => {
  const pages = ["README.md", "CHANGELOG.md", ...markdown("docs")];

  it.each(pages)("of %s lead somewhere", (page) => {
    const targets = [...read(page).matchAll(/\]\((?!https?:)([^)]+)\)/gu)].map(([, target = ""]) => target);
    expect(targets.filter((target) => !leads(page, target))).toEqual([]);
  });
});

function leads(page: string, target: string): boolean {
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? page : join(dirname(page), path);
  if (!existsSync(join(root, file))) return false;
  return anchor === undefined || anchors(file).includes(anchor);
}

function markdown(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name));
}

/** As GitHub makes them of headings. */
function anchors(path: string): readonly string[] {
  return [...read(path).matchAll(/^#+ (.*)$/gmu)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
