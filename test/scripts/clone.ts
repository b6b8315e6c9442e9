import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../../..");

export interface Launched {
  readonly process: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
}

/** A folder like a clone of ours, with the real launcher and packages and a program of a few lines. */
export interface Clone {
  readonly path: string;
  write(file: string, text: string): Promise<void>;
  launch(...args: readonly string[]): Launched;
  remove(): Promise<void>;
}

export async function makeClone(mainTs: string): Promise<Clone> {
  const path = await mkdtemp(join(tmpdir(), "fleetlog-clone-"));
  const settings = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", ".oxlintrc.json"];
  const copied = ["scripts", ...settings];
  for (const name of copied) await cp(join(root, name), join(path, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(path, "node_modules"));
  const write = async (file: string, text: string): Promise<void> => {
    await mkdir(dirname(join(path, file)), { recursive: true });
    await writeFile(join(path, file), text);
  };
  // Here it is a link, which the "node_modules/" of our own .gitignore does not match.
  await write(".gitignore", "node_modules\ndist\n");
  await write("src/main.ts", mainTs);
  return {
    path,
    write,
    launch: (...args) => launch(path, args),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

function launch(path: string, args: readonly string[]): Launched {
  // From another folder: the launcher must find its own.
  const child = spawn(process.execPath, [join(path, "scripts", "run.mjs"), ...args], {
    cwd: tmpdir(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString("utf8");
  });
  const ended = once(child, "close").then(([code, signal]: unknown[]) => (code ?? signal) as number | string);
  return { process: child, out: () => out, err: () => err, ended };
}
