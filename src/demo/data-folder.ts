/** Where a demo keeps its data: a folder of its own a run, so that each begins clean and two can run at once; gone when it ends. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

export interface DataFolder {
  readonly path: string;
  /** What the person should know of it. */
  readonly note: string;
  /** After everything that writes there has stopped. */
  remove(): void;
}

/** `configured`: FLEETLOG_DATA_DIR, which is used as it is and kept. */
export function demoDataFolder(configured: string | undefined): DataFolder {
  if (configured !== undefined && configured.trim() !== "") {
    return { path: configured, note: `data in ${resolve(configured)}, kept`, remove() {} };
  }
  const parent = resolve("data", "demo");
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent)) {
    const pid = Number(/^run-(\d+)$/u.exec(name)?.[1]);
    // Of a demo that was killed.
    if (Number.isSafeInteger(pid) && !isAlive(pid)) rmSync(join(parent, name), { recursive: true, force: true });
  }
  const path = join(parent, `run-${process.pid}`);
  rmSync(path, { recursive: true, force: true });
  return {
    path,
    note: `data in ${path}, removed at the end; set FLEETLOG_DATA_DIR to keep it`,
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It runs and is not ours.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
