/**
 * A lock file that a `kill -9` of its holder does not leave shut: it names the holder by pid and start time,
 * and who finds the holder gone takes the lock over.
 *
 * It sees only processes of its own pid namespace: two containers that share a volume are not kept apart by it.
 */
import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { identityOf, isRunning } from "./process-identity.js";

export interface PidLock {
  /** Gives the lock back. Safe to call twice. */
  release(): void;
}

export interface LockHolder {
  readonly pid: number;
  readonly startedAt: string;
  /** Tells two locks of one process apart. */
  readonly token: string;
}

/** Takes the lock, or says who has it. Does not wait. */
export function tryPidLock(path: string): PidLock | { readonly heldBy: LockHolder } {
  const self = identityOf(process.pid);
  const mine: LockHolder = { pid: process.pid, startedAt: self?.startedAt ?? "unknown", token: randomUUID() };
  mkdirSync(dirname(path), { recursive: true });
  // Bounded: each round either takes the lock, meets a living holder, or removes a dead one.
  for (let round = 0; round < 100; round += 1) {
    if (placeWithContent(path, JSON.stringify(mine))) return { release: () => release(path, mine) };
    const holder = readHolder(path);
    if (holder !== undefined && isRunning(holder)) return { heldBy: holder };
    removeStale(path, holder);
  }
  throw new Error(`the lock file ${path} keeps changing hands: remove it if nothing else is starting`);
}

/** Creates the file whole or not at all: a reader never sees it half written. False when it exists. */
function placeWithContent(path: string, content: string): boolean {
  const draft = `${path}.${process.pid}.${randomUUID()}`;
  writeFileSync(draft, content, { mode: 0o644 });
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Two may find the same dead holder; the slower one must not remove the quicker one's fresh lock. So: take aside, look again. */
function removeStale(path: string, stale: LockHolder | undefined): void {
  const aside = `${path}.${process.pid}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch {
    return; // someone else has removed it
  }
  const taken = readHolder(aside);
  if (taken !== undefined && taken.token !== stale?.token && isRunning(taken))
    placeWithContent(path, JSON.stringify(taken));
  rmSync(aside, { force: true });
}

function release(path: string, mine: LockHolder): void {
  if (readHolder(path)?.token === mine.token) rmSync(path, { force: true });
}

function readHolder(path: string): LockHolder | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value !== "object" || value === null) return undefined;
    if (!("pid" in value && "startedAt" in value && "token" in value)) return undefined;
    const { pid, startedAt, token } = value;
    if (typeof pid !== "number" || typeof startedAt !== "string" || typeof token !== "string") return undefined;
    return { pid, startedAt, token };
  } catch {
    return undefined; // gone, or not a lock of ours: nobody that could be alive holds it
  }
}
