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
  try {
    for await (const { event } of events) {
      const decoded = event === undefined ? undefined : decodeEvent(event);
      if (decoded !== undefined) yield decoded;
    }
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw error;
  }
}
