/**
 * Runs a TypeScript file of ours in a process of its own, for the tests that kill one. Node 20 reads no TypeScript, so
 * the file is bundled first, with the bundler that vitest brings; packages stay outside and are found in node_modules.
 */
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = resolve(fileURLToPath(import.meta.url), "../../..");

export interface BundledTs {
  /** Run it with `node`. */
  readonly path: string;
  remove(): Promise<void>;
}

/** `file`: a path, relative to the project's root, or a file: URL. */
export async function bundleTs(file: string | URL): Promise<BundledTs> {
  const input = typeof file === "string" ? resolve(root, file) : fileURLToPath(file);
  await mkdir(join(root, "dist"), { recursive: true });
  // Inside the project, so that its packages are found from there.
  const folder = await mkdtemp(join(root, "dist", "spawn-ts-"));
  const bundle = await rolldown({
    input,
    platform: "node",
    external: /^[^./]/u,
    logLevel: "silent",
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
  });
  const { output } = await bundle.write({
    dir: folder,
    format: "esm",
    entryFileNames: "main.mjs",
    chunkFileNames: "[name]-[hash].mjs",
    sourcemap: true,
  });
  await bundle.close();
  return { path: join(folder, output[0].fileName), remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Bundles and starts it. Standard output is a pipe, errors go where the test's go; other `options` as in `spawn`. */
export async function spawnTs(
  file: string | URL,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<ChildProcess> {
  const bundled = await bundleTs(file);
  const child = spawn(process.execPath, ["--enable-source-maps", bundled.path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    ...options,
  });
  child.once("exit", () => {
    void bundled.remove();
  });
  return child;
}
