/**
 * A process id alone names nobody: the system hands it out again. With the start time beside it, it does.
 * Everything here that ends or trusts a process by a number that it read from a file asks this module first.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { FleetlogError } from "../../platform/errors.js";

export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process, different for any other that ever had or will have this pid. */
  readonly startedAt: string;
  readonly commandLine: string;
}

/** The process that runs under this id now; `undefined` when there is none, or only its unreaped remains. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return process.platform === "linux" ? identityFromProc(pid) : identityFromPs(pid);
}

/** Whether the very process that was once seen is still running. */
export function isRunning(seen: { readonly pid: number; readonly startedAt: string }): boolean {
  return identityOf(seen.pid)?.startedAt === seen.startedAt;
}

/** Sends SIGKILL to that very process and waits until it is gone. Throws FleetlogError UNAVAILABLE when it stays. */
export async function killAndWait(seen: ProcessIdentity, withinMs = 10_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (isRunning(seen)) {
    if (Date.now() > deadline) {
      throw new FleetlogError("UNAVAILABLE", `Process ${seen.pid} (${seen.commandLine}) does not end: end it by hand.`);
    }
    killQuietly(seen.pid, "SIGKILL");
    await sleep(20);
  }
}

/** A signal to a process that may be gone already, which is what the signal wanted. Any other failure is thrown. */
function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

function identityFromProc(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in brackets and may itself hold blanks and brackets: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    const ticks = fields[19];
    if (state === "Z" || state === "X" || ticks === undefined) return undefined;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return { pid, startedAt: `${boot}:${ticks}`, commandLine };
  } catch {
    return undefined; // no such process, or it went while we looked
  }
}

function identityFromPs(pid: number): ProcessIdentity | undefined {
  try {
    if (ps("state", pid).startsWith("Z")) return undefined;
    const startedAt = ps("lstart", pid);
    const commandLine = ps("command", pid);
    return { pid, startedAt, commandLine };
  } catch {
    return undefined; // ps ends with 1 when there is no such process
  }
}

function ps(column: "state" | "lstart" | "command", pid: number): string {
  const output = execFileSync("ps", ["-o", `${column}=`, "-p", String(pid)], { stdio: ["ignore", "pipe", "ignore"] });
  return output.toString("utf8").trim();
}
