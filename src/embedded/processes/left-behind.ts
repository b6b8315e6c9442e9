/**
 * The pid file of a child. The guard ends children with us; where it could not (we were killed in the instant between
 * fork and guard, or on a system with neither), the next start on the same data folder ends what it finds.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "../../platform/logger.js";
import { identityOf, killAndWait } from "./process-identity.js";

export interface PidFile {
  readonly path: string;
  /** A text that only this child's command line holds: the path of its configuration. Without it in there, nothing is killed. */
  readonly marker: string;
}

export function writePidFile({ path }: PidFile, pid: number): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${pid}\n`);
}

export function removePidFile({ path }: PidFile): void {
  rmSync(path, { force: true });
}

/** Ends the child that an earlier run left. The caller holds the data folder's lock, so nobody alive can want it. */
export async function endLeftBehind(name: string, file: PidFile, logger: Logger): Promise<void> {
  const process = identityOf(readPid(file.path));
  // The pid may be anybody's by now: only a command line with our own path in it is taken for ours.
  if (process !== undefined && process.commandLine.includes(file.marker)) {
    logger.warn({ child: name, pid: process.pid }, "an earlier run left this server behind; ending it");
    await killAndWait(process);
  }
  removePidFile(file);
}

function readPid(path: string): number {
  try {
    return Number.parseInt(readFileSync(path, "utf8"), 10);
  } catch {
    return 0; // no pid file: nothing was left, and 0 is nobody
  }
}
