/**
 * One of our own programs as a child: the same supervision as a server's, with Node's IPC channel for messages.
 * What the messages mean is the business of the two ends.
 */
import type { Serializable } from "node:child_process";
import type { Logger } from "../../platform/logger.js";
import { type SupervisedChild, superviseChild } from "./child-process.js";

export interface NodeProcessOptions {
  readonly name: string;
  /** Absolute path of a JavaScript module. */
  readonly script: string;
  readonly args?: readonly string[];
  /** For `node` itself, before the script. */
  readonly nodeArgs?: readonly string[];
  /** The whole environment of the child; ours when not given. */
  readonly env?: NodeJS.ProcessEnv;
  readonly logger: Logger;
  /** The message with which the child says that it is ready. */
  readonly isReady: (message: unknown) => boolean;
  /** Every message, the ready one included, of this and every later life of the child. */
  readonly onMessage?: (message: unknown) => void;
  /** After each start: what the child must be told, again, is sent from here (`send` works by then). */
  readonly onStarted?: (send: (message: Serializable) => boolean) => void;
  /** In the data folder: with it, the next start there ends this process if it should outlive us. */
  readonly pidFile?: string;
  readonly readyWithinMs?: number;
  readonly graceMs?: number;
}

/** Resolves when the child says that it is ready. Throws FleetlogError UNAVAILABLE when it does not. Its output goes where ours goes. */
export async function startNodeProcess(options: NodeProcessOptions): Promise<SupervisedChild> {
  const { name, script, args = [], nodeArgs = [], env, logger, isReady, onMessage, readyWithinMs, graceMs } = options;
  let ready = false;
  return await superviseChild({
    name,
    command: process.execPath,
    args: [...nodeArgs, script, ...args],
    env,
    logger,
    output: "inherit",
    pidFile: options.pidFile === undefined ? undefined : { path: options.pidFile },
    ready: () => ready,
    onStarted: (_, send) => {
      ready = false;
      options.onStarted?.(send);
    },
    onMessage: (message) => {
      if (isReady(message)) ready = true;
      onMessage?.(message);
    },
    ...(readyWithinMs === undefined ? {} : { readyWithinMs }),
    ...(graceMs === undefined ? {} : { graceMs }),
  });
}

/**
 * For the child's side: calls back when the parent is gone, however it went. The kernel's or the shell's guard ends
 * the child anyway; this is for a child that the parent started in some other way.
 */
export function whenParentGone(callback: () => void): void {
  if (process.send === undefined) return; // nobody forked us
  if (process.connected) process.once("disconnect", callback);
  else callback();
}
