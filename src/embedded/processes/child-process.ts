/**
 * A child that is kept alive while we live and ends when we end. Every other program that the platform runs beside
 * itself — servers and our own roles — goes through here, so there is one policy for death, back-off and shutdown.
 */
import { type ChildProcess, type Serializable, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Backoff } from "../../platform/backoff.js";
import { FleetlogError, messageOf } from "../../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { LastLines } from "./last-lines.js";
import { endLeftBehind, type PidFile, removePidFile, writePidFile } from "./left-behind.js";
import { guard, guardedCommand, type GuardKind, guardKind } from "./parent-guard.js";

/** Over the IPC channel. False, and not sent, when there is no child to take it or 1,000 messages wait for a child already. */
export type Send = (message: Serializable) => boolean;

export interface ChildProcessOptions {
  /** As logs and /readyz call it. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logger: Logger;
  /** Asked again and again until it says true. May throw, which means "not yet". */
  readonly ready: () => Promise<boolean> | boolean;
  /** Bound for `ready`, from the start of the child; then it counts as failed and is ended. */
  readonly readyWithinMs?: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs?: number;
  /** Up for so long, it starts again with the shortest back-off. */
  readonly stableAfterMs?: number;
  readonly cwd?: string | undefined;
  /** The whole environment of the child; ours when not given. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly pidFile?: PidFile | undefined;
  /** `captured`: the last lines go into the report of its death. `inherit`: it writes where we write. */
  readonly output?: "captured" | "inherit";
  /** Opens Node's IPC channel to the child. */
  readonly onMessage?: ((message: unknown) => void) | undefined;
  /** Called after each start, before the child is ready; `send` reaches that very child. */
  readonly onStarted?: ((pid: number, send: Send) => void) | undefined;
  /** For tests of the guard that this machine would not choose. */
  readonly guard?: GuardKind;
}

export interface SupervisedChild extends Running, HasHealth {
  /** Of the running child; `undefined` between a death and the next start. */
  pid(): number | undefined;
  readonly send: Send;
}

const lastWordsWithinMs = 500;
const maxUnsent = 1_000;

interface Run {
  readonly process: ChildProcess;
  readonly said: LastLines;
  readonly startedAt: number;
  /** How it ended, in words. Never rejects. */
  readonly ended: Promise<string>;
  /** The same, at once; `undefined` while it runs. */
  readonly endedHow: () => string | undefined;
  /** Messages that its channel has not taken yet. */
  unsent: number;
}

/**
 * Starts the child and resolves when it is ready; from then on it is started again, with back-off and with the same
 * command line (so on the same port), whenever it dies.
 * Throws FleetlogError UNAVAILABLE when this first start fails.
 */
export async function superviseChild(options: ChildProcessOptions): Promise<SupervisedChild> {
  const { name, logger, pidFile, graceMs = 10_000, stableAfterMs = 30_000 } = options;
  const kind = options.guard ?? guardKind();
  const stopping = new AbortController();
  const backoff = new Backoff({ initialMs: 200, maxMs: 10_000 });
  let health: PartHealth = { name, state: "down", detail: "starting" };

  if (pidFile !== undefined) await endLeftBehind(name, pidFile, logger);
  let run = launch(options, kind);
  try {
    await becomeReady(options, run, stopping.signal);
  } catch (error) {
    await end(run, 0);
    if (pidFile !== undefined) removePidFile(pidFile);
    throw new FleetlogError("UNAVAILABLE", `${name} did not start: ${messageOf(error)}${quote(run.said)}`, {
      child: name,
    });
  }
  health = { name, state: "up" };
  const kept = keepAlive();

  return {
    pid: () => (run.endedHow() === undefined ? run.process.pid : undefined),
    health: () => [health],
    send: (message) => send(run, message),
    async stop() {
      stopping.abort();
      health = { name, state: "down", detail: "stopped" };
      await end(run, graceMs);
      await kept;
      if (pidFile !== undefined) removePidFile(pidFile);
    },
  };

  async function keepAlive(): Promise<void> {
    for (;;) {
      const how = await run.ended;
      if (stopping.signal.aborted) return;
      if (Date.now() - run.startedAt >= stableAfterMs) backoff.reset();
      const restartInMs = backoff.next();
      logger.warn({ child: name, how, restartInMs, said: run.said.lines }, "a child process died; starting it again");
      health = { name, state: "down", detail: `${how}; starting it again` };
      try {
        await sleep(restartInMs, undefined, { signal: stopping.signal });
      } catch {
        return; // asked to stop: the only thing that ends this sleep early
      }
      try {
        run = launch(options, kind);
        await becomeReady(options, run, stopping.signal);
        health = { name, state: "up" };
        logger.info({ child: name, pid: run.process.pid, failures: backoff.failures }, "the child process is up again");
      } catch (error) {
        if (!stopping.signal.aborted)
          logger.warn({ child: name, error: messageOf(error) }, "the child process is not ready");
        await end(run, graceMs);
      }
    }
  }
}

function launch(options: ChildProcessOptions, kind: GuardKind): Run {
  const { name, logger, onMessage, pidFile, output = "captured" } = options;
  const [command, args] = guardedCommand(kind, options.command, options.args);
  const out = output === "captured" ? "pipe" : "inherit";
  const child = spawn(command, args, {
    stdio: onMessage === undefined ? ["ignore", out, out] : ["ignore", out, out, "ipc"],
    detached: true, // a process group of its own: our terminal's Ctrl-C must not end it before those who drain into it
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  const said = new LastLines();
  if (child.stdout !== null) said.follow(child.stdout);
  if (child.stderr !== null) said.follow(child.stderr);
  if (onMessage !== undefined) child.on("message", onMessage);

  let endedHow: string | undefined;
  const ended = new Promise<string>((resolve) => {
    const over = (how: string): void => {
      endedHow = how;
      // Its last words may still be in the pipe; a grandchild that keeps the pipe open must not hold us up.
      const timer = setTimeout(() => resolve(how), lastWordsWithinMs);
      child.once("close", () => {
        clearTimeout(timer);
        resolve(how);
      });
    };
    child.once("exit", (code, signal) =>
      over(signal === null ? `exited with code ${String(code)}` : `ended by ${signal}`),
    );
    child.on("error", (error) => {
      // Also told here: a signal or a message that could not be delivered, which is no end.
      if (child.pid === undefined) over(`could not be run (${error.message})`);
      else logger.debug({ child: name, error: error.message }, "the child process could not be reached");
    });
  });
  const run: Run = { process: child, said, startedAt: Date.now(), ended, endedHow: () => endedHow, unsent: 0 };
  if (child.pid !== undefined) {
    guard(kind, child);
    if (pidFile !== undefined) writePidFile(pidFile, child.pid, logger);
    options.onStarted?.(child.pid, (message) => send(run, message));
  }
  return run;
}

function send(run: Run, message: Serializable): boolean {
  if (run.endedHow() !== undefined || !run.process.connected || run.unsent >= maxUnsent) return false;
  run.unsent += 1;
  run.process.send(message, () => {
    run.unsent -= 1; // sent, or lost with the child, which `ended` tells
  });
  return true;
}

/** Polls `ready`. Throws when the child ends, the time is over, or we are asked to stop. */
async function becomeReady(options: ChildProcessOptions, run: Run, signal: AbortSignal): Promise<void> {
  const { ready, readyWithinMs = 60_000 } = options;
  const backoff = new Backoff({ initialMs: 20, maxMs: 250 });
  let lastError = "";
  for (;;) {
    signal.throwIfAborted();
    if (run.endedHow() !== undefined) throw new Error(await run.ended);
    if (Date.now() - run.startedAt > readyWithinMs) throw new Error(`not ready after ${readyWithinMs} ms${lastError}`);
    try {
      // Asked once more after the answer: another program on the same port could have given it.
      if ((await ready()) && run.endedHow() === undefined) return;
    } catch (error) {
      lastError = ` (${messageOf(error)})`;
    }
    await Promise.race([sleep(backoff.next()), run.ended]);
  }
}

async function end(run: Run, graceMs: number): Promise<void> {
  if (run.endedHow() !== undefined) return;
  run.process.kill("SIGTERM");
  const killer = setTimeout(() => run.process.kill("SIGKILL"), graceMs);
  await run.ended;
  clearTimeout(killer);
}

function quote(said: LastLines): string {
  return said.lines.length === 0 ? "." : `. It said last: ${said.lines.join(" | ")}`;
}
