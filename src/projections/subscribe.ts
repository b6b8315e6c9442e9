import { setTimeout as sleep } from "node:timers/promises";
import { START, streamNameFilter } from "@eventstore/db-client";
import type { AllStreamSubscription, EventStoreDBClient } from "@eventstore/db-client";
import type { Category, LogPosition, Recorded } from "../events/index.js";
import { decodeEvent } from "../events/index.js";

/** How many events a subscription may be ahead of its reader. */
const BUFFERED_EVENTS = 2_000;
export const BATCH_EVENTS = 1_000;
/**
 * Once live, a batch waits so long for more: each costs the stores three durable round trips, however many events are in it.
 * Without it, 1,000 commands a second would make as many batches of one.
 */
const LINGER_MS = 10;

export interface Batch {
  /** In log order; empty when only `position` moved on. */
  readonly events: readonly Recorded[];
  /** Everything of the categories up to here has been given. Undefined while the log has nothing of theirs. */
  readonly position: LogPosition | undefined;
  /** When the batch's last event was recorded by the event store. */
  readonly lastCreated: Date | undefined;
  /** The server has said that this is the end of the log, and nothing was waiting when the batch was closed. */
  readonly caughtUp: boolean;
}

/**
 * The events of some categories after `from`, in log order, in batches: as many as have come while the reader was busy,
 * at most BATCH_EVENTS. Ends, or throws, when the connection is lost: whoever reads it begins again from its checkpoint.
 */
export async function* subscribeInBatches(
  client: EventStoreDBClient,
  categories: readonly Category[],
  from: LogPosition | undefined,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const progress = new ServerProgress();
  const subscription = client.subscribeToAll(
    {
      fromPosition: from ?? START,
      filter: streamNameFilter({
        prefixes: categories.map((category) => `${category}-`),
        checkpointInterval: 100,
        checkpointReached: (_subscription, position) => progress.looked(position),
      }),
    },
    { highWaterMark: BUFFERED_EVENTS },
  );
  subscription.on("caughtUp", () => progress.live());
  const stop = () => void subscription.unsubscribe().catch(() => subscription.destroy());
  signal.addEventListener("abort", stop, { once: true });
  try {
    yield* batches(subscription, progress, from);
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** What the server says beside the events. It may be heard before the events ahead of it are handled. */
class ServerProgress {
  /** How far the server has looked through events that the filter hides. */
  position: LogPosition | undefined;
  isLive = false;
  #wake: () => void = () => undefined;

  looked(position: LogPosition): void {
    this.position = position;
    this.#wake();
  }

  live(): void {
    this.isLive = true;
    this.#wake();
  }

  /** Resolves when there is something new to know. One waiter at a time. */
  async next(): Promise<undefined> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return undefined;
  }
}

async function* batches(
  subscription: AllStreamSubscription,
  progress: ServerProgress,
  from: LogPosition | undefined,
): AsyncGenerator<Batch> {
  const reader = subscription[Symbol.asyncIterator]();
  let position = from;
  let toldCaughtUp = false;
  let pending = nextOf(reader);
  for (;;) {
    const events: Recorded[] = [];
    let lastCreated: Date | undefined;
    let next = await Promise.race([pending, progress.next()]);
    if (progress.isLive && next !== undefined) await sleep(LINGER_MS);
    while (next !== undefined) {
      if (next.done === true) return;
      const { event } = next.value;
      if (event !== undefined) {
        position = event.position;
        lastCreated = event.created;
        const decoded = decodeEvent(event);
        if (decoded !== undefined) events.push(decoded);
      }
      pending = nextOf(reader);
      if (events.length >= BATCH_EVENTS) break;
      next = subscription.readableLength > 0 ? await pending : await readyNow(pending);
    }
    const drained = subscription.readableLength === 0 && (await readyNow(pending)) === undefined;
    // With nothing left to read, every event before the server's own checkpoint has been given.
    const looked = drained ? progress.position : undefined;
    const movedOn = looked !== undefined && (position === undefined || looked.commit > position.commit);
    if (movedOn) position = looked;
    const caughtUp = drained && progress.isLive;
    if (events.length === 0 && !movedOn && (!caughtUp || toldCaughtUp)) continue;
    toldCaughtUp ||= caughtUp;
    yield { events, position, lastCreated, caughtUp };
  }
}

function nextOf<T>(reader: AsyncIterator<T>): Promise<IteratorResult<T>> {
  const next = reader.next();
  // Whoever stops between two batches leaves this promise behind; a reader that goes on meets its failure when it awaits it.
  next.catch(() => undefined);
  return next;
}

/** The value if it is there by the next turn of the event loop. */
async function readyNow<T>(promise: Promise<T>): Promise<T | undefined> {
  const turn = new Promise<undefined>((resolve) => setImmediate(resolve, undefined));
  return Promise.race([promise, turn]);
}
