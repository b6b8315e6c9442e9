import { describe, expect, it } from "vitest";
import { cycles, objection, partOf } from "./rules.js";
import { parse, sourceFiles } from "./source-files.js";

const files = sourceFiles("src");

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

function objections(path: string, ...lines: readonly string[]): readonly (string | undefined)[] {
  const file = parse(path, lines.join("\n"));
  return file.imports.map((imported) => objection(file, imported));
}

describe("the rules themselves", () => {
  it("name the file, the import and the rule", () => {
    expect(objections("src/domain/ids.ts", 'import { newId } from "../platform/ids.js";')).toEqual([
      "src/domain/ids.ts imports src/platform/ids.ts: domain may not import platform",
    ]);
    expect(
      objections("src/ingest/registry/registry.ts", 'import { find } from "../../projections/device/queries.js";'),
    ).toEqual([
      "src/ingest/registry/registry.ts imports src/projections/device/queries.ts: ingest may import projections through its index.ts only",
    ]);
    expect(objections("src/graphql/context.ts", 'import { connect } from "../engines/nats.js";')).toEqual([
      "src/graphql/context.ts imports src/engines/nats.ts: graphql may only import types of engines, and takes the thing as an argument",
    ]);
    expect(objections("src/engines/nats.ts", 'import { x } from "../news/x.js";')).toEqual([
      "src/engines/nats.ts imports src/news/x.ts: give src/news/x.ts its row in the table of test/architecture/rules.ts",
    ]);
  });

  it("leave alone what is allowed: packages, one's own part, ports, types", () => {
    expect(
      objections(
        "src/ingest/http/routes.ts",
        'import { fastify } from "fastify";',
        'import { parse } from "../pipeline/parse-json.js";',
        'import { createReadModels } from "../../projections/index.js";',
      ),
    ).toEqual([undefined, undefined, undefined]);
    expect(objections("src/graphql/context.ts", 'import type { Nats } from "../engines/nats.js";')).toEqual([
      undefined,
    ]);
  });

  it("hold process managers to rules of their own", () => {
    const ingest = 'import { decodeFrame } from "../../ingest/index.js";';
    expect(objections("src/commands/processes/reports.ts", ingest)).toEqual([undefined]);
    expect(objections("src/commands/deep/reports.ts", ingest)).toEqual([
      "src/commands/deep/reports.ts imports src/ingest/index.ts: commands may not import ingest",
    ]);
  });

  it("find a cycle of any length, and not where an import is of types only", () => {
    const a = parse("src/domain/a.ts", 'import { b } from "./b.js";');
    const b = parse("src/domain/b.ts", 'export * from "./c.js";');
    expect(cycles([a, b, parse("src/domain/c.ts", 'import { a } from "./a.js";')])).toEqual([
      "src/domain/a.ts → src/domain/b.ts → src/domain/c.ts → src/domain/a.ts",
    ]);
    expect(cycles([a, b, parse("src/domain/c.ts", 'import type { A } from "./a.js";')])).toEqual([]);
  });
});
