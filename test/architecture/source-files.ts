/**
 * What the source files say of themselves, without a compiler: their imports and their code without comments.
 * Our formatter puts every import statement at the head of a line and every long comment's line behind a "*".
 */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../../..");

export interface Import {
  /** As it is written: `../ids.js`, `zod`, `node:fs`. */
  readonly specifier: string;
  /** The file that a relative specifier names, from the project's root; undefined for a package. */
  readonly file?: string;
  /** Gone once compiled. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** From the project's root: `src/domain/ids.ts`. */
  readonly path: string;
  readonly imports: readonly Import[];
  /** Its lines without comments. */
  readonly code: string;
}

export function sourceFiles(folder: string): readonly SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join(folder, path))
    .toSorted()
    .map((path) => parse(path, readFileSync(join(root, path), "utf8")));
}

export function parse(path: string, text: string): SourceFile {
  const code = withoutComments(text);
  return { path, code, imports: importsOf(path, code) };
}

function withoutComments(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/^\s*(?:\/\/|\/\*|\*)/u.test(line))
    .map((line) => line.replace(/\s\/\/\s.*$/u, ""))
    .join("\n");
}

const FROM = /^\s*(?:import|export)\s+(?<type>type\s)?[^;"'`]*?\bfrom\s*["'](?<specifier>[^"']+)["']/gmu;
const BARE = /^\s*import\s*["'](?<specifier>[^"']+)["']/gmu;
/** `import("x")` at run time, and as a type, which is counted as if it were at run time: say `import type` instead. */
const DYNAMIC = /\bimport\(\s*["'](?<specifier>[^"']+)["']/gu;

function importsOf(path: string, code: string): readonly Import[] {
  return [FROM, BARE, DYNAMIC].flatMap((pattern) =>
    [...code.matchAll(pattern)].map(({ groups }) => {
      const specifier = groups?.["specifier"] ?? "";
      const typeOnly = groups?.["type"] !== undefined;
      if (!specifier.startsWith(".")) return { specifier, typeOnly };
      const file = relative(root, resolve(root, dirname(path), specifier)).replace(/\.js$/u, ".ts");
      return { specifier, file, typeOnly };
    }),
  );
}
