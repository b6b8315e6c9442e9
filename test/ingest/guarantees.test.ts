import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectAsync } from "mqtt";
import { feedFrames, startRelay } from "../../src/ingest/index.js";
import type { RelayedReading } from "../../src/ingest/index.js";
import { encodeFrame } from "../../src/ingest/frames/frame.js";
import { silentLogger } from "../../src/platform/logger.js";
import { streams, subjects } from "../../src/platform/subjects.js";
import { waitFor } from "../support/wait-for.js";
import { removeDoneFrames } from "../../src/ingest/writer/done-frames.js";
import { framesWaiting, gatewayUnderTest, KEY, natsUnderTest } from "./support.js";
import type { GatewayUnderTest, NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let under: GatewayUnderTest;

beforeAll(async () => {
  nats = await natsUnderTest();
  under = await gatewayUnderTest(nats.nc);
  under.models.put("acme", "d1");
});
afterAll(async () => {
  await under.stop();
  await nats.stop();
});

describe("acknowledged means stored", () => {
  test("while JetStream stands still nothing is acknowledged; when it goes on, all of it is stored", async () => {
    const pid = nats.server.pid() ?? Number.NaN;
    const stored: unknown[] = [];
    const feed = feedFrames({ nc: nats.nc, consumer: "processor", logger: silentLogger });
    const finished = (async () => {
      for await (const frame of feed.frames) {
        stored.push(...frame.readings.map(({ values }) => values["n"]));
        frame.message.ack();
      }
    })();
    const acknowledged: number[] = [];
    const client = await connectAsync(`mqtt://127.0.0.1:${under.gateway.port}`, {
      username: "acme/d1",
      password: KEY,
      protocolVersion: 5,
      // As devices do: what was not acknowledged is sent again after connecting again.
      reconnectPeriod: 50,
      clientId: "steady",
    });
    client.on("error", () => {});
    await client.publishAsync("v1/acme/d1/telemetry", '{"n":-1}', { qos: 1 });
    process.kill(pid, "SIGSTOP");
    const ts = Date.now();
    for (let n = 0; n < 100; n += 1) {
      client.publish("v1/acme/d1/telemetry", JSON.stringify({ ts: ts + n, values: { n } }), { qos: 1 }, (error) => {
        if (error === undefined || error === null) acknowledged.push(n);
      });
    }
    // The gateway's deadline passes: it has tried, and says that it could not.
    await waitFor(async () =>
      /publish_failed_total\{reason="(deadline|disconnected)"\} [1-9]/u.test(await under.metrics.metrics()),
    );
    expect(acknowledged).toEqual([]);
    expect(stored).toEqual([-1]);
    process.kill(pid, "SIGCONT");
    await waitFor(() => acknowledged.length === 100);
    await waitFor(() => new Set(stored).size === 101);
    await client.endAsync(true);
    feed.stop();
    await finished;
  });

  test("JetStream is killed under load: what was acknowledged is there when it is back, and consumers go on", async () => {
    const stored = new Set<unknown>();
    const feed = feedFrames({ nc: nats.nc, consumer: "processor", logger: silentLogger });
    const finished = (async () => {
      for await (const frame of feed.frames) {
        for (const { values } of frame.readings) stored.add(values["k"]);
        frame.message.ack();
      }
    })();
    const client = await connectAsync(`mqtt://127.0.0.1:${under.gateway.port}`, {
      username: "acme/d1",
      password: KEY,
      reconnectPeriod: 50,
      clientId: "steady",
    });
    client.on("error", () => {});
    const total = 1_000;
    let sent = 0;
    let acknowledged = 0;
    const pump = (): void => {
      if (sent === total) return;
      const k = sent;
      sent += 1;
      client.publish("v1/acme/d1/telemetry", JSON.stringify({ ts: Date.now(), values: { k } }), { qos: 1 }, () => {
        acknowledged += 1;
        if (acknowledged === 200) process.kill(nats.server.pid() ?? Number.NaN, "SIGKILL");
        pump();
      });
    };
    for (let n = 0; n < 20; n += 1) pump();
    await waitFor(() => acknowledged === total, { deadlineMs: 60_000 });
    // A lost delivery is noticed by its missing heartbeats, and comes again after `ack_wait`: longer than most waits here.
    await waitFor(() => stored.size === total, { deadlineMs: 90_000 });
    await client.endAsync(true);
    feed.stop();
    await finished;
    expect(stored.size).toBe(total);
  }, 180_000);

  test("a frame is gone from JetStream once every consumer is done with it, and not before", async () => {
    const client = await under.connect();
    const relayed: RelayedReading[] = [];
    const subscription = nats.nc.subscribe("fleetlog.acme.telemetry.d1", {
      callback: (_error, message) => relayed.push(message.json<RelayedReading>()),
    });
    const relay = startRelay({ nc: nats.nc, logger: silentLogger });
    await client.publishAsync("v1/acme/d1/telemetry", '{"relayed":true}', { qos: 1 });
    await waitFor(() => relayed.some(({ values }) => values["relayed"] === true));
    expect(await framesWaiting(nats.nc)).toBeGreaterThan(0);
    const feeds = (["writer", "processor", "rollup"] as const).map((consumer) =>
      feedFrames({ nc: nats.nc, consumer, logger: silentLogger }),
    );
    await removeDoneFrames(nats.nc);
    expect(await framesWaiting(nats.nc)).toBeGreaterThan(0);
    const finished = feeds.map(async (feed) => {
      for await (const frame of feed.frames) frame.message.ack();
    });
    const manager = await nats.nc.jetstreamManager();
    const { last_seq: last } = (await manager.streams.info(streams.frames)).state;
    await waitFor(async () => {
      // A server that was killed may have forgotten what it is owed: a consumer's place moves with its next acknowledgement.
      await client.publishAsync("v1/acme/d1/telemetry", '{"next":true}', { qos: 1 });
      await removeDoneFrames(nats.nc);
      return (await manager.streams.info(streams.frames)).state.first_seq > last;
    });
    for (const feed of feeds) feed.stop();
    await Promise.all(finished);
    await relay.stop();
    subscription.unsubscribe();
  });

  test("a consumer that is behind finds everything when JetStream is started again", async () => {
    const lagging = await natsUnderTest();
    const { nc } = lagging;
    for (let n = 0; n < 20; n += 1) await nc.jetstream().publish(subjects.frames(0), encodeFrame([]));
    for (const name of ["processor", "relay", "rollup"]) {
      const consumer = await nc.jetstream().consumers.get(streams.frames, name);
      for await (const message of await consumer.fetch({ max_messages: 20, expires: 5_000 })) await message.ackAck();
    }
    for (let start = 1; start <= 4; start += 1) {
      const pid = lagging.server.pid() ?? Number.NaN;
      process.kill(pid, "SIGKILL");
      // A question that the kill has cut off is asked again.
      const held = await waitFor(async () =>
        lagging.server.pid() === pid ? undefined : framesWaiting(nc).catch(() => undefined),
      );
      expect(held).toBe(20);
    }
    await lagging.stop();
  });

  test("what a feed has fetched ahead and not taken comes to the next one", async () => {
    const client = await under.connect();
    for (let n = 0; n < 50; n += 1)
      await client.publishAsync("v1/acme/d1/telemetry", JSON.stringify({ ahead: n }), { qos: 1 });
    const seen = new Set<unknown>();
    const first = feedFrames({ nc: nats.nc, consumer: "processor", logger: silentLogger });
    for await (const frame of first.frames) {
      frame.message.ack();
      for (const { values } of frame.readings) seen.add(values["ahead"]);
      if (seen.has(0)) break;
    }
    first.stop();
    const second = feedFrames({ nc: nats.nc, consumer: "processor", logger: silentLogger });
    for await (const frame of second.frames) {
      for (const { values } of frame.readings) seen.add(values["ahead"]);
      frame.message.ack();
      // NATS 2.9 gives one of them to the request of the feed that is gone; that one comes after `ack_wait`.
      if ([...seen].filter((value) => value !== undefined).length >= 45) second.stop();
    }
    expect(seen.size).toBeGreaterThanOrEqual(45);
  }, 120_000);

  test("a gateway that is stopped acknowledges what it has read, and says that it goes", async () => {
    const other = await gatewayUnderTest(nats.nc);
    other.models.put("acme", "d1");
    const client = await other.connect({ protocolVersion: 5 });
    let reasonCode: number | undefined;
    client.on("disconnect", (packet) => {
      reasonCode = packet.reasonCode;
    });
    const before = await framesWaiting(nats.nc);
    let acknowledged = 0;
    for (let n = 0; n < 500; n += 1) {
      client.publish("v1/acme/d1/telemetry", JSON.stringify({ n }), { qos: 1 }, (error) => {
        if (error === undefined || error === null) acknowledged += 1;
      });
    }
    await waitFor(() => acknowledged > 0);
    await other.gateway.stop();
    await waitFor(() => !client.connected);
    expect(reasonCode).toBe(0x8b);
    await other.stop();
    expect(await framesWaiting(nats.nc)).toBeGreaterThan(before);
    const feed = feedFrames({ nc: nats.nc, consumer: "writer", logger: silentLogger });
    let stored = 0;
    for await (const frame of feed.frames) {
      stored += frame.readings.length;
      frame.message.ack();
      if (stored >= acknowledged) feed.stop();
    }
    expect(stored).toBeGreaterThanOrEqual(acknowledged);
  });
});
