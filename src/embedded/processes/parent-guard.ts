/**
 * Ends a child when we end, also after a `kill -9` of us, which no handler of ours sees.
 *
 * Linux: the kernel does it (PR_SET_PDEATHSIG, set by util-linux's `setpriv`, kept across its exec, so the pid is the program's own).
 * Trap: the signal comes when the *thread* that forked ends, so children are started from the main thread.
 * Elsewhere, or with BusyBox's setpriv: a shell that waits on a pipe from us; the pipe ends when we do, however we end.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";

export type GuardKind = "kernel" | "shell";

/** Which of the two this machine has. Runs a program: ask once per start, not per child. */
export function guardKind(): GuardKind {
  if (process.platform !== "linux") return "shell";
  return spawnSync("setpriv", ["--pdeathsig", "KILL", "true"], { stdio: "ignore" }).status === 0 ? "kernel" : "shell";
}

/** The command line to start instead of the given one. */
export function guardedCommand(kind: GuardKind, command: string, args: readonly string[]): [string, string[]] {
  return kind === "kernel" ? ["setpriv", ["--pdeathsig", "KILL", command, ...args]] : [command, [...args]];
}

/** Watches over a child that has just been started; ends the watch with the child, so that it never kills a recycled pid. */
export function guard(kind: GuardKind, child: ChildProcess): void {
  if (kind === "kernel" || child.pid === undefined) return;
  const watcher = spawn("sh", ["-c", `read -r _; kill -9 ${child.pid}`], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true, // our terminal's Ctrl-C must not end the watch before the watched
  });
  watcher.unref();
  child.once("exit", () => watcher.kill("SIGKILL"));
}
