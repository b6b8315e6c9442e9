/**
 * Installing a package with apt without its service being started: the packaged service would take the port and
 * the folder that are not ours, and stay when we go.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { FleetlogError } from "../../platform/errors.js";
import { Backoff } from "../../platform/backoff.js";
import type { Logger } from "../../platform/logger.js";
import { tryPidLock } from "./pid-lock.js";

/** `invoke-rc.d` asks it before it starts anything; 101 is "no" (Debian's /usr/share/doc/init-system-helpers/README.policy-rc.d). */
const policyFile = "/usr/sbin/policy-rc.d";
const policyMark = "# placed by fleetlog while it installs a package; remove it if no install is running";
const policyText = `#!/bin/sh\n${policyMark}\nexit 101\n`;
const lockFile = "/var/lock/fleetlog-apt.lock";
const waitForOthersMs = 300_000;
const keptLines = 5;

export type AptOutcome = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export interface AptOptions {
  readonly logger: Logger;
  /** Asked once the lock is ours: another run may have installed it while we waited. */
  readonly alreadyThere: () => boolean;
}

/** Whether this is root on a system with apt. */
export function canUseApt(): boolean {
  return process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
}

/** Installs one package. Waits up to 5 minutes for other runs of ours, and for other users of dpkg. */
export async function aptInstall(aptPackage: string, { logger, alreadyThere }: AptOptions): Promise<AptOutcome> {
  const lock = await waitForLock();
  try {
    if (alreadyThere()) return { ok: true };
    return await withoutServices(async () => {
      // A fresh container has no package lists; a stale list names files that the mirror no longer has.
      const first = await aptGet(logger, "install", aptPackage);
      if (first.ok) return first;
      logger.debug({ aptPackage, reason: first.reason }, "not to be had from the package lists at hand; renewing them");
      const update = await aptGet(logger, "update");
      const second = await aptGet(logger, "install", aptPackage);
      return second.ok || update.ok
        ? second
        : { ok: false, reason: `${second.reason}; before it, update: ${update.reason}` };
    });
  } finally {
    lock.release();
  }
}

async function waitForLock(): Promise<{ release(): void }> {
  const deadline = Date.now() + waitForOthersMs;
  const backoff = new Backoff({ initialMs: 100, maxMs: 1_000 });
  for (;;) {
    const lock = tryPidLock(lockFile);
    if (!("heldBy" in lock)) return lock;
    if (Date.now() > deadline) {
      throw new FleetlogError(
        "UNAVAILABLE",
        `Process ${lock.heldBy.pid} has been installing packages for 5 minutes: end it, then start again.`,
      );
    }
    await backoff.wait();
  }
}

/** Somebody else's policy stays as it is. One of ours, left behind by a killed run, is used and removed. */
async function withoutServices<T>(work: () => Promise<T>): Promise<T> {
  const ours = !existsSync(policyFile) || readFileSync(policyFile, "utf8").includes(policyMark);
  if (ours) writeFileSync(policyFile, policyText, { mode: 0o755 });
  try {
    return await work();
  } finally {
    if (ours) rmSync(policyFile, { force: true });
  }
}

async function aptGet(logger: Logger, verb: "update" | "install", aptPackage?: string): Promise<AptOutcome> {
  const args = ["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=300"];
  if (verb === "install")
    args.push("--no-install-recommends", "install", ...(aptPackage === undefined ? [] : [aptPackage]));
  else args.push("update");
  const deadline = Date.now() + waitForOthersMs;
  const backoff = new Backoff({ initialMs: 500, maxMs: 3_000 });
  for (;;) {
    const outcome = await run("env", args);
    // The lock timeout above covers dpkg's lock; those of the lists and the archives are not waited for by every version of apt.
    const locked = !outcome.ok && /could not get lock|unable to lock/iu.test(outcome.reason);
    if (!locked || Date.now() > deadline) return outcome;
    logger.debug({ reason: outcome.reason }, "another program is using apt; waiting for it");
    await backoff.wait();
  }
}

function run(command: string, args: readonly string[]): Promise<AptOutcome> {
  return new Promise((resolve) => {
    const lines: string[] = [];
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    const keep = (chunk: Buffer): void => {
      lines.push(
        ...chunk
          .toString("utf8")
          .split("\n")
          .filter((line) => line.trim() !== ""),
      );
      lines.splice(0, Math.max(0, lines.length - keptLines));
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("error", (error) => resolve({ ok: false, reason: error.message }));
    child.once("close", (code) => {
      resolve(code === 0 ? { ok: true } : { ok: false, reason: lines.join(" | ") || `exit code ${String(code)}` });
    });
  });
}
