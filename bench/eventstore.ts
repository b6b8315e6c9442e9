/** The embedded event store by itself, through the official client. */
import { jsonEvent, NO_STREAM, START } from "@eventstore/db-client";
import type { EventStoreDBClient } from "@eventstore/db-client";
import { connectEventStore } from "../src/engines/eventstore.js";
import { newId } from "../src/platform/ids.js";
import type { Bench } from "./support/bench.js";
import { ratioOf } from "./support/bench.js";
import { startEngine } from "./support/engine.js";
import { LatencyHistogram } from "./support/latency-histogram.js";
import { timed } from "./support/work.js";

const sizes = { appends: 40_000, concurrency: 256, batch: 500, batches: 200, live: 500, sequential: 1_000 };

export const eventstore: Bench<typeof sizes> = {
  about: "the embedded event store in a process of its own: durable appends, reads of $all, live subscriptions",
  sizes,
  async run({ appends, concurrency, batch, batches, live, sequential }, say) {
    const engine = await startEngine("eventstore");
    const client = connectEventStore(engine.url);
    try {
      say(`· ${sequential} appends, one after the other`);
      const alone = await timed(sequential, 1, (n) => client.appendToStream(`alone-${n}`, event(n)));
      say(`· ${appends} appends, ${concurrency} at a time`);
      const together = await timed(appends, concurrency, (n) =>
        client.appendToStream(`together-${n % 10_000}`, event(n), n < 10_000 ? { expectedRevision: NO_STREAM } : {}),
      );
      say(`· ${batches} appends of ${batch} events`);
      const many = await timed(batches, 8, (n) =>
        client.appendToStream(
          `batch-${n}`,
          Array.from({ length: batch }, (_, index) => event(index)),
        ),
      );
      say("· reading all of it");
      const began = performance.now();
      let read = 0;
      for await (const { event: found } of client.readAll()) if (found !== undefined) read += 1;
      const readPerSecond = (read * 1_000) / (performance.now() - began);
      say(`· ${live} appends, each seen by a subscription`);
      const seen = await followLive(client, live);
      const baseline = { name: "one append at a time", per_s: Math.round(alone.perSecond) };
      return {
        figures: {
          appends_per_s: Math.round(together.perSecond),
          p99_append_ms: together.latencies.percentile(99),
          batch_events_per_s: Math.round(many.perSecond * batch),
          read_events_per_s: Math.round(readPerSecond),
          p50_live_ms: seen.percentile(50),
          p99_live_ms: seen.percentile(99),
          events: read,
        },
        baseline,
        ratio: ratioOf(together.perSecond, baseline),
      };
    } finally {
      await client.dispose();
      await engine.stop();
    }
  },
};

function event(n: number): ReturnType<typeof jsonEvent> {
  return jsonEvent({
    id: newId(),
    type: "DeviceDetailsChanged",
    data: { name: `Device ${n}`, manufacturer: "Bench", location: { site: "hall", latitude: 48.2, longitude: 16.4 } },
    metadata: { tenantId: "bench", actor: "system:bench", commandId: newId(), occurredAt: "2026-01-01T00:00:00.000Z" },
  });
}

/** From the call of append to the event at a subscription to its stream, one after the other. */
async function followLive(client: EventStoreDBClient, count: number): Promise<LatencyHistogram> {
  const latencies = new LatencyHistogram();
  const subscription = client.subscribeToStream("live", { fromRevision: START });
  // Without a listener its failure would end the process; with one, the run stops and says so.
  const lost = new Promise<never>((_resolve, reject) => {
    subscription.once("error", reject);
  });
  let heard: (() => void) | undefined;
  subscription.on("data", () => heard?.());
  for (let n = 0; n < count; n += 1) {
    const at = performance.now();
    const arrived = new Promise<void>((resolve) => {
      heard = resolve;
    });
    await client.appendToStream("live", event(n));
    await Promise.race([arrived, lost]);
    latencies.record(performance.now() - at);
  }
  await subscription.unsubscribe();
  return latencies;
}
