/**
 * The pid file of a child. The guard ends children with us; where it could not (we were killed in the instant between
 * fork and guard, or on a system with neither), the next start on the same data folder ends what it finds.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { identityOf, killAndWait } from "./process-identity.js";

export interface PidFile {
  readonly path: string;
  /** A text that this child's command line holds, such as the path of its configuration: asked for besides the start time. */
  readonly marker?: string;
}

/** A failure is only logged: the guard does not need the file, and a full disk must not keep a server from its restart. */
export function writePidFile({ path }: PidFile, pid: number, logger: Logger): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify({ pid, startedAt: identityOf(pid)?.startedAt }));
  } catch (error) {
    logger.warn({ path, error: messageOf(error) }, "the pid file of a child process could not be written");
  }
}

export function removePidFile({ path }: PidFile): void {
  rmSync(path, { force: true });
}

/** Ends the child that an earlier run left. The caller holds the data folder's lock, so nobody alive can want it. */
export async function endLeftBehind(name: string, file: PidFile, logger: Logger): Promise<void> {
  const left = readPidFile(file.path);
  const running = left === undefined ? undefined : identityOf(left.pid);
  // The pid may be anybody's by now: only the very process that was started then is ended.
  if (running !== undefined && running.startedAt === left?.startedAt) {
    if (running.commandLine.includes(file.marker ?? "")) {
      logger.warn({ child: name, pid: running.pid }, "an earlier run left this process behind; ending it");
      await killAndWait(running);
    }
  }
  removePidFile(file);
}

function readPidFile(path: string): { readonly pid: number; readonly startedAt: string } | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value !== "object" || value === null || !("pid" in value && "startedAt" in value)) return undefined;
    const { pid, startedAt } = value;
    return typeof pid === "number" && typeof startedAt === "string" ? { pid, startedAt } : undefined;
  } catch {
    return undefined; // no pid file, so nothing was left; or half of one, which names nobody
  }
}
