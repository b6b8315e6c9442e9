import { connectAsync } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectNats } from "../../src/engines/nats.js";
import { createIngestCounters } from "../../src/ingest/counters.js";
import { feedFrames } from "../../src/ingest/index.js";
import { ensureIngestStreams } from "../../src/ingest/jetstream/streams.js";
import { createPublisher } from "../../src/ingest/jetstream/publisher.js";
import type { Publisher } from "../../src/ingest/jetstream/publisher.js";
import type { FleetlogError } from "../../src/platform/errors.js";
import { removeDoneFrames } from "../../src/ingest/writer/done-frames.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import { streams, subjects } from "../../src/platform/subjects.js";
import { waitFor } from "../support/wait-for.js";
import { gatewayUnderTest, KEY, natsUnderTest } from "./support.js";
import type { NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let publisher: Publisher;

beforeAll(async () => {
  nats = await natsUnderTest();
  const counters = createIngestCounters(createMetrics());
  publisher = createPublisher({ nc: nats.nc, logger: silentLogger, counters, maxInFlight: 8, deadlineMs: 2_000 });
});
afterAll(async () => {
  await publisher.stop();
  await nats.stop();
});

function publish(subject: string, bytes = 10): Promise<FleetlogError | undefined> {
  return new Promise((resolve) => publisher.publish(subject, Buffer.alloc(bytes, "x"), resolve));
}

describe("the publisher", () => {
  test("answers once it is stored, in order, for however many", async () => {
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 1_000 }, async (_, n) => {
        expect(await publish(subjects.frames(7))).toBeUndefined();
        order.push(n);
      }),
    );
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    const manager = await nats.nc.jetstreamManager();
    expect((await manager.streams.info(streams.frames)).state.messages).toBe(1_000);
  });

  test("a subject that no stream takes fails at once, and says why", async () => {
    expect((await publish("nobody-listens"))?.message).toContain("no stream takes this subject");
  });

  test("a payload that the server does not take fails", async () => {
    expect((await publish(subjects.frames(0), 9 * 1024 ** 2))?.code).toBe("UNAVAILABLE");
  });

  test("says when it is full, and when there is room again", async () => {
    const answers = Array.from({ length: 8 }, () => publish(subjects.frames(7)));
    expect(publisher.saturated).toBe(true);
    await new Promise<void>((resolve) => publisher.whenRoom(resolve));
    expect(publisher.saturated).toBe(false);
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 8 }));
  });

  test("a lost connection fails what is in flight; after it, publishes go through again", async () => {
    const nc = await connectNats(nats.server.url, "cut");
    const counters = createIngestCounters(createMetrics());
    const cut = createPublisher({ nc, logger: silentLogger, counters });
    const pid = nats.server.pid() ?? Number.NaN;
    process.kill(pid, "SIGSTOP");
    const answer = new Promise<FleetlogError | undefined>((resolve) =>
      cut.publish(subjects.frames(7), Buffer.from("x"), resolve),
    );
    process.kill(pid, "SIGKILL");
    expect((await answer)?.code).toBe("UNAVAILABLE");
    expect(cut.saturated).toBe(true);
    await new Promise<void>((resolve) => cut.whenRoom(resolve));
    const again = await new Promise<FleetlogError | undefined>((resolve) =>
      cut.publish(subjects.frames(7), Buffer.from("x"), resolve),
    );
    expect(again).toBeUndefined();
    await cut.stop();
    await nc.close();
  });
});

test("a full stream holds devices back instead of losing: they get through once there is room", async () => {
  const full = await natsUnderTest();
  await ensureIngestStreams(full.nc, { framesBytes: 20_000 });
  const under = await gatewayUnderTest(full.nc);
  under.models.put("acme", "d1");
  const client = await connectAsync(`mqtt://127.0.0.1:${under.gateway.port}`, {
    username: "acme/d1",
    password: KEY,
    clientId: "one",
    reconnectPeriod: 50,
  });
  client.on("error", () => {});
  const acknowledged = new Set<number>();
  const ts = Date.now();
  const total = 500;
  for (let n = 0; n < total; n += 1) {
    client.publish(
      "v1/acme/d1/telemetry",
      JSON.stringify({ ts, values: { n, filler: "x".repeat(200) } }),
      { qos: 1 },
      (error) => {
        if (error === undefined || error === null) acknowledged.add(n);
      },
    );
  }
  await waitFor(async () => (await under.metrics.metrics()).includes('publish_failed_total{reason="refused"}'));
  expect(acknowledged.size).toBeLessThan(total);
  const stored = new Set<unknown>();
  const feeds = (["writer", "processor", "relay", "rollup"] as const).map((consumer) =>
    feedFrames({ nc: full.nc, consumer, logger: silentLogger }),
  );
  const finished = feeds.map(async (feed) => {
    for await (const frame of feed.frames) {
      for (const { values } of frame.readings) stored.add(values["n"]);
      frame.message.ack();
    }
  });
  await waitFor(async () => {
    await removeDoneFrames(full.nc);
    return acknowledged.size === total && stored.size === total;
  });
  for (const feed of feeds) feed.stop();
  await Promise.all(finished);
  await client.endAsync(true);
  await under.stop();
  await full.stop();
  expect(stored.size).toBe(total);
});
