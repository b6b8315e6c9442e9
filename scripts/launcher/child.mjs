// Running another program to its end as if it were us: same terminal, same signals, same exit code.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { LaunchError } from "./progress.mjs";
import { root } from "./paths.mjs";

const sameSignalWithinMs = 1_000;
const forwarded = { SIGINT: "SIGINT", SIGTERM: "SIGTERM", SIGHUP: "SIGTERM" };

/**
 * Resolves with the exit code; 128 + n when it ended by signal n, as a shell would say.
 *
 * The child has a process group of its own and gets its signals from us alone. A Ctrl-C comes to us twice, from the
 * terminal and from npm, and a program that takes the second one for impatience would not drain: so of equal signals
 * within a second we pass on one. When we are killed outright, the child is asked to end (SIGTERM).
 */
export async function run(command, args, { stdio = "inherit", env = process.env } = {}) {
  const [guardedCommand, guardedArgs] = guarded(command, args);
  const child = spawn(guardedCommand, guardedArgs, { stdio, cwd: root, env, detached: true });
  const stopForwarding = forwardSignals(child);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", (error) => reject(new LaunchError(`${command} could not be run: ${error.message}.`)));
      child.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
      if (child.pid !== undefined && guardedCommand === command) guardByShell(child);
    });
  } finally {
    stopForwarding();
  }
}

function forwardSignals(child) {
  const last = new Map();
  const handlers = Object.entries(forwarded).map(([signal, passedOn]) => {
    const handler = () => {
      const now = performance.now();
      if (now - (last.get(signal) ?? Number.NEGATIVE_INFINITY) < sameSignalWithinMs) return;
      last.set(signal, now);
      child.kill(passedOn);
    };
    process.on(signal, handler);
    return [signal, handler];
  });
  const orphaned = watchNpm(() => child.kill("SIGTERM"));
  return () => {
    clearInterval(orphaned);
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

/** npm killed outright tells us nothing; but then we have other forebears. Without npm, losing them is no reason to end. */
function watchNpm(onGone) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const before = npmAboveUs();
  const timer = setInterval(() => {
    if (npmAboveUs() === before) return;
    clearInterval(timer);
    onGone();
  }, 500);
  timer.unref();
  return timer;
}

/** npm is our parent, or the parent of the shell that it starts us with (which outlives it). Changes when npm goes. */
function npmAboveUs() {
  try {
    const stat = readFileSync(`/proc/${process.ppid}/stat`, "utf8");
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const [, shellsParent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return /^(?:ba|da|a)?sh$|^busybox$/u.test(name) ? `${process.ppid} ${shellsParent}` : `${process.ppid}`;
  } catch {
    return `${process.ppid}`; // no /proc, or the parent has just gone
  }
}

/** Linux: the kernel signals the child when we end. */
function guarded(command, args) {
  const known = process.platform === "linux" && spawnSync("setpriv", ["--pdeathsig", "TERM", "true"]).status === 0;
  return known ? ["setpriv", ["--pdeathsig", "TERM", command, ...args]] : [command, args];
}

/** Elsewhere: a shell waits on a pipe that ends with us. */
function guardByShell(child) {
  const watcher = spawn("sh", ["-c", `read -r _; kill -TERM ${child.pid}`], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watcher.on("error", () => {}); // no shell: then only the signals that we see are passed on
  watcher.unref();
  child.once("exit", () => watcher.kill("SIGKILL"));
}
