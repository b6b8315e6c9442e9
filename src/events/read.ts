import { FORWARDS, START, StreamNotFoundError } from "@eventstore/db-client";
import type { EventStoreDBClient } from "@eventstore/db-client";
import { decodeEvent } from "./codec.js";
import type { Recorded } from "./event.js";

export interface ReadOptions {
  /** First revision to give; 0 when left out. */
  readonly fromRevision?: number;
  /** At most so many events; all when left out. */
  readonly limit?: number;
}

/** The events of one stream, oldest first; none where there is no such stream. */
export async function* readAggregateEvents(
  client: EventStoreDBClient,
  stream: string,
  { fromRevision = 0, limit }: ReadOptions = {},
): AsyncGenerator<Recorded> {
  const events = client.readStream(stream, {
    direction: FORWARDS,
    fromRevision: fromRevision === 0 ? START : BigInt(fromRevision),
    ...(limit === undefined ? {} : { maxCount: limit }),
  });
  const reader = events[Symbol.asyncIterator]();
  let finished = false;
  try {
    for (;;) {
      const next = await reader.next();
      finished = next.done === true;
      if (next.done === true) return;
      const decoded = next.value.event === undefined ? undefined : decodeEvent(next.value.event);
      if (decoded !== undefined) yield decoded;
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
