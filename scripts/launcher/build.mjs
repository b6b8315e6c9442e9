// dist/ as the sources are.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./child.mjs";
import { binOf, root } from "./paths.mjs";

const sources = ["src", "bench", "tsconfig.json", "tsconfig.build.json", "package.json", "package-lock.json"];
const stamp = join(root, "dist", ".built");

/** The stamp holds the time at which the build began: what was saved during it is newer. Folders count, so that removals do. */
export function buildIsFresh() {
  try {
    const { startedMs } = JSON.parse(readFileSync(stamp, "utf8"));
    return sources.every((source) => newestIn(join(root, source)) < startedMs);
  } catch {
    return false; // never built, or in the midst of it
  }
}

/** True when it compiled. The compiler's errors go to standard error. */
export async function build() {
  const startedMs = Date.now();
  rmSync(stamp, { force: true });
  const code = await run(process.execPath, [binOf("typescript", "tsc"), "-p", "tsconfig.build.json"], {
    stdio: ["ignore", 2, 2],
  });
  if (code !== 0) return false;
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(stamp, JSON.stringify({ startedMs }));
  return true;
}

function newestIn(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestIn(join(path, name))));
}
