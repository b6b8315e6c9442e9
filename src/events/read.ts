import { BACKWARDS, END, FORWARDS, START, StreamNotFoundError } from "@eventstore/db-client";
import type { EventStoreDBClient, RecordedEvent } from "@eventstore/db-client";
import { decodeEvent } from "./codec.js";
import type { Recorded } from "./event.js";

export interface ReadOptions {
  /** First revision to give; 0 when left out. */
  readonly fromRevision?: number;
  /** At most so many events of the stream, those that are not ours among them; all when left out. */
  readonly limit?: number;
}

/** Events asked for at a time where the reader may stop early: so many are read in vain at most. */
const SLICE = 500;

/** The events of one stream, oldest first; none where there is no such stream. Left early, it reads on to the end all the same. */
export async function* readAggregateEvents(
  client: EventStoreDBClient,
  stream: string,
  options: ReadOptions = {},
): AsyncGenerator<Recorded> {
  for await (const event of readRecorded(client, stream, options)) {
    const decoded = decodeEvent(event);
    if (decoded !== undefined) yield decoded;
  }
}

/** As `readAggregateEvents`, for who may stop long before the end: costs what is looked at, and not what lies behind it. */
export async function* readWhileWanted(
  client: EventStoreDBClient,
  stream: string,
  { fromRevision = 0, limit = Number.POSITIVE_INFINITY }: ReadOptions = {},
): AsyncGenerator<Recorded> {
  for (let left = limit, next = fromRevision; left > 0;) {
    const asked = Math.min(SLICE, left);
    let seen = 0;
    for await (const event of readRecorded(client, stream, { fromRevision: next, limit: asked })) {
      seen += 1;
      next = Number(event.revision) + 1;
      const decoded = decodeEvent(event);
      if (decoded !== undefined) yield decoded;
    }
    if (seen < asked) return;
    left -= asked;
  }
}

/** The last events of a stream, at most `limit`, the newest first. */
export async function* readNewestFirst(
  client: EventStoreDBClient,
  stream: string,
  limit: number,
): AsyncGenerator<Recorded> {
  for await (const event of readRecorded(client, stream, { limit, backwards: true })) {
    const decoded = decodeEvent(event);
    if (decoded !== undefined) yield decoded;
  }
}

async function* readRecorded(
  client: EventStoreDBClient,
  stream: string,
  { fromRevision = 0, limit, backwards = false }: ReadOptions & { readonly backwards?: boolean },
): AsyncGenerator<RecordedEvent> {
  const from = fromRevision === 0 ? START : BigInt(fromRevision);
  const events = client.readStream(stream, {
    ...(backwards ? { direction: BACKWARDS, fromRevision: END } : { direction: FORWARDS, fromRevision: from }),
    ...(limit === undefined ? {} : { maxCount: limit }),
  });
  const reader = events[Symbol.asyncIterator]();
  let finished = false;
  try {
    for (;;) {
      const next = await reader.next();
      finished = next.done === true;
      if (next.done === true) return;
      if (next.value.event !== undefined) yield next.value.event;
    }
  } catch (error) {
    finished = true;
    if (!(error instanceof StreamNotFoundError)) throw error;
  } finally {
    // A read that is left before its end stays open in the client, and would keep it from ever being disposed of
    // (its gRPC call ends only once it is drained). So the rest is read; `limit` is what keeps it short.
    while (!finished) finished = (await reader.next()).done === true;
  }
}

/** The revision of a stream's last event; undefined where there is no such stream. Costs one event, however many there are. */
export async function lastRevision(client: EventStoreDBClient, stream: string): Promise<number | undefined> {
  for await (const { revision } of readRecorded(client, stream, { limit: 1, backwards: true })) return Number(revision);
  return undefined;
}
