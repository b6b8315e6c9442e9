import type { Db } from "mongodb";
import type { NatsConnection } from "nats";
import type { Category, LogPosition } from "../events/index.js";
import { subjects } from "../platform/subjects.js";
import type { Running } from "../platform/lifecycle.js";
import { createCheckpoints } from "./checkpoints.js";
import { checkpointName, createGenerations } from "./generations.js";
import { projections } from "./projections.js";

/** A note may be lost: the checkpoint itself is looked at this often while someone waits. */
const POLL_MS = 200;

export interface ShownWaiter extends Running {
  /** True once the read model of the category shows everything up to `position`; false when `timeoutMs` runs out first. */
  wait(category: Category, position: LogPosition, timeoutMs: number): Promise<boolean>;
}

/** Read-your-writes: a command says where its events stand in the log, and here one waits until the read model has passed that place. */
export function createShownWaiter(deps: { readonly db: Db; readonly nats: NatsConnection }): ShownWaiter {
  const checkpoints = createCheckpoints(deps.db);
  const generations = createGenerations(deps.db);
  const nameOf = new Map(projections.map((projection) => [projection.category, projection.name]));
  const shown = new Map<string, bigint>();
  const waiters = new Set<{
    readonly name: string;
    readonly commit: bigint;
    readonly resolve: (shown: boolean) => void;
  }>();

  function pass(name: string, commit: bigint): void {
    if (commit <= (shown.get(name) ?? -1n)) return;
    shown.set(name, commit);
    for (const waiter of waiters) if (waiter.name === name && waiter.commit <= commit) waiter.resolve(true);
  }

  const subscription = deps.nats.subscribe(subjects.shown("*"), {
    callback: (error, message) => {
      if (error !== null) return;
      const note = message.json<{ readonly projection: string; readonly commit: string }>();
      pass(note.projection, BigInt(note.commit));
    },
  });

  async function poll(name: string): Promise<void> {
    const position = await checkpoints.load(checkpointName(name, await generations.number(name)));
    if (position !== undefined) pass(name, position.commit);
  }

  return {
    async wait(category, position, timeoutMs) {
      const name = nameOf.get(category);
      if (name === undefined) throw new Error(`no projection shows ${category}`);
      if ((shown.get(name) ?? -1n) >= position.commit) return true;
      return new Promise<boolean>((resolve) => {
        // A failing poll is no reason to fail: the note, or the time-out, still answers.
        const timer = setInterval(() => void poll(name).catch(() => undefined), POLL_MS);
        const timeout = setTimeout(() => waiter.resolve(false), timeoutMs);
        const waiter = {
          name,
          commit: position.commit,
          resolve: (isShown: boolean) => {
            clearInterval(timer);
            clearTimeout(timeout);
            waiters.delete(waiter);
            resolve(isShown);
          },
        };
        waiters.add(waiter);
      });
    },
    stop() {
      subscription.unsubscribe();
      for (const waiter of waiters) waiter.resolve(false);
      return Promise.resolve();
    },
  };
}
