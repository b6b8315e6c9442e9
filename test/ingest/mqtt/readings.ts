/** What comes out behind the door: the readings of the frames, as the writer takes them. */
import type { NatsConnection } from "nats";
import { feedFrames } from "../../../src/ingest/index.js";
import type { Reading } from "../../../src/ingest/index.js";
import { silentLogger } from "../../../src/platform/logger.js";

export interface ReadingsFeed {
  readonly readings: Reading[];
  stop(): Promise<void>;
}

export function collectReadings(nc: NatsConnection): ReadingsFeed {
  const readings: Reading[] = [];
  const feed = feedFrames({ nc, consumer: "writer", logger: silentLogger });
  const finished = (async () => {
    for await (const frame of feed.frames) {
      readings.push(...frame.readings);
      frame.message.ack();
    }
  })();
  return {
    readings,
    async stop() {
      feed.stop();
      await finished;
    },
  };
}
