import type { EventStoreDBClient } from "@eventstore/db-client";
import type { Category, LogPosition } from "../events/index.js";
import { Backoff } from "../platform/backoff.js";
import { withDeadline } from "../platform/deadline.js";
import { deferred } from "../platform/deferred.js";
import { messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { PoisonEvent } from "./apply-batch.js";
import { createMovingCheckpoint, Fenced } from "./checkpoints.js";
import type { Checkpoints } from "./checkpoints.js";
import type { Batch } from "./subscribe.js";
import { subscribeInBatches } from "./subscribe.js";

/** A batch takes milliseconds. One that takes so long is begun anew, which the documents' revisions make harmless. */
const HANDLE_WITHIN_MS = 20_000;

/** A read model further behind than this is called degraded, and the log says so once. */
const LAG_ALARM_MS = 10_000;

export interface FollowerDeps {
  readonly client: EventStoreDBClient;
  readonly checkpoints: Checkpoints;
  readonly logger: Logger;
  /** The fencing token under which checkpoints are stored. */
  readonly fence: number;
}

export interface FollowerOptions {
  /** Names the checkpoint and the line in /readyz. */
  readonly name: string;
  readonly categories: readonly Category[];
  /** Does the work of a batch. Only when it has resolved may the checkpoint pass the batch. */
  readonly handle: (batch: Batch) => Promise<void>;
  /** After the work of a batch, with `position` moved. */
  readonly handled?: (batch: Batch) => void;
}

export interface Follower extends Running, HasHealth {
  /** The last position whose work is done. */
  readonly position: LogPosition | undefined;
  readonly eventsHandled: number;
  /** Resolves when it has once had nothing left to read; rejects when it stopped for good before that. */
  readonly caughtUp: Promise<void>;
}

/**
 * Follows the log from its checkpoint, for ever: subscribes again with back-off after every loss, whatever its form, and
 * never lets the checkpoint pass an event that is not handled. A poison event stops it, loudly: trying again would change nothing.
 */
export function follow(deps: FollowerDeps, options: FollowerOptions): Follower {
  const { client, checkpoints, fence } = deps;
  const { name, categories } = options;
  const logger = deps.logger.child({ follower: name });
  const stopping = new AbortController();
  const backoff = new Backoff({ initialMs: 100, maxMs: 5_000 });
  let position: LogPosition | undefined;
  let eventsHandled = 0;
  let lagSince: Date | undefined;
  let trouble: { readonly state: "degraded" | "down"; readonly detail: string } | undefined = {
    state: "degraded",
    detail: "starting",
  };
  const caughtUp = deferred<void>();
  // Nobody has to wait for it.
  caughtUp.promise.catch(() => undefined);

  async function run(): Promise<void> {
    const checkpoint = createMovingCheckpoint(checkpoints, name, fence);
    position = await checkpoints.load(name);
    try {
      for await (const batch of subscribeInBatches(client, categories, position, stopping.signal)) {
        if (batch.lastCreated !== undefined) lagSince = batch.lastCreated;
        if (batch.events.length > 0) await withDeadline(options.handle(batch), HANDLE_WITHIN_MS, "handling a batch");
        position = batch.position;
        if (position !== undefined) checkpoint.moveTo(position);
        eventsHandled += batch.events.length;
        if (backoff.failures > 0) logger.info({ failures: backoff.failures }, "following the log again");
        backoff.reset();
        trouble = undefined;
        options.handled?.(batch);
        if (batch.caughtUp) {
          lagSince = undefined;
          caughtUp.resolve();
        }
        if (stopping.signal.aborted) return;
      }
    } finally {
      await checkpoint.flush();
    }
    throw new Error("the subscription ended");
  }

  async function runForEver(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await run();
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (error instanceof PoisonEvent || error instanceof Fenced) {
          trouble = { state: "down", detail: error.message };
          logger.fatal({ error: error.message }, "stopped for good: mend the cause, then start again");
          caughtUp.reject(error);
          return;
        }
        const detail = messageOf(error);
        // Each cause once: an engine that is away for an hour is a line of each follower, not a thousand.
        const level = trouble?.detail === detail ? "debug" : "warn";
        trouble = { state: "degraded", detail };
        logger[level]({ error: detail, failures: backoff.failures }, "lost the log; subscribing again");
        await backoff.wait(stopping.signal).catch(() => undefined);
      }
    }
  }

  let alarmed = false;
  const alarm = setInterval(() => {
    const isBehind = lagSince !== undefined && Date.now() - lagSince.getTime() > LAG_ALARM_MS;
    if (isBehind && !alarmed)
      logger.error({ position: String(position?.commit) }, "far behind the log, or standing still");
    alarmed = isBehind;
  }, LAG_ALARM_MS / 2);

  const done = runForEver();
  return {
    get position() {
      return position;
    },
    get eventsHandled() {
      return eventsHandled;
    },
    caughtUp: caughtUp.promise,
    health(): readonly PartHealth[] {
      const lag = lagSince === undefined ? 0 : Math.max(0, Date.now() - lagSince.getTime());
      const part = { name, lag, lagUnit: "ms" } as const;
      if (trouble !== undefined) return [{ ...part, ...trouble }];
      if (lag <= LAG_ALARM_MS) return [{ ...part, state: "up" }];
      return [{ ...part, state: "degraded", detail: `behind by ${Math.round(lag / 1000)} s` }];
    },
    async stop() {
      stopping.abort();
      clearInterval(alarm);
      caughtUp.reject(new Error(`${name} was stopped`));
      await done;
    },
  };
}
