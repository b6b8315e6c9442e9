import { describe, expect, it } from "vitest";
import { parse } from "./source-files.js";

const importsOf = (...lines: readonly string[]) => parse("src/commands/handler.ts", lines.join("\n")).imports;

describe("the scanner finds", () => {
  it("an import of several lines, and the file it names", () => {
    expect(importsOf("import {", "  a,", "  b,", '} from "../domain/ids.js";')).toEqual([
      { specifier: "../domain/ids.js", file: "src/domain/ids.ts", typeOnly: false },
    ]);
  });

  it("an import of types", () => {
    expect(importsOf('import type { A } from "./actor.js";')).toMatchObject([
      { file: "src/commands/actor.ts", typeOnly: true },
    ]);
  });

  it("packages, builtins, side effects, exports and imports at run time", () => {
    const imports = importsOf(
      'import * as z from "zod";',
      'import "reflect-metadata";',
      'export * from "./actor.js";',
      'export type { B } from "./b.js";',
      'const fs = await import("node:fs");',
    );
    expect(imports.map(({ specifier }) => specifier)).toEqual([
      "zod",
      "./actor.js",
      "./b.js",
      "reflect-metadata",
      "node:fs",
    ]);
  });

  it("nothing in comments, nor in what an export without a source is followed by", () => {
    expect(
      importsOf(
        '// import { a } from "./a.js";',
        "/**",
        ' * import { b } from "./b.js";',
        " */",
        'export const c = "c"; // from "./d.js"',
        'const text = "taken from"; call("./e.js");',
      ),
    ).toEqual([]);
  });
});
