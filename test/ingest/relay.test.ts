import { RetentionPolicy, StorageType } from "nats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import { encodeFrame, startRelay } from "../../src/ingest/index.js";
import type { Reading, RelayedReading } from "../../src/ingest/index.js";
import type { HasHealth, Running } from "../../src/platform/lifecycle.js";
import { silentLogger } from "../../src/platform/logger.js";
import { streams, subjects } from "../../src/platform/subjects.js";
import { waitFor } from "../support/wait-for.js";
import { natsUnderTest } from "./support.js";
import type { NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let relay: Running & HasHealth;

beforeAll(async () => {
  nats = await natsUnderTest();
  relay = startRelay({ nc: nats.nc, logger: silentLogger });
});
afterAll(async () => {
  await relay.stop();
  await nats.stop();
});

function reading(device: string, n: number, more: Partial<Reading> = {}): Reading {
  return {
    tenantId: tenantId("acme"),
    deviceId: deviceId(device),
    deviceType: deviceTypeId("press"),
    receivedAt: 1_790_000_000_000 + n,
    timestamp: 1_790_000_000_000 + n,
    values: { n },
    ...more,
  };
}

async function store(...readings: readonly Reading[]): Promise<void> {
  await nats.nc.jetstream().publish(subjects.frames(0), encodeFrame(readings));
}

function listen(subject: string): { readonly heard: RelayedReading[]; readonly stop: () => void } {
  const heard: RelayedReading[] = [];
  const subscription = nats.nc.subscribe(subject, {
    callback: (_error, message) => {
      heard.push(message.json<RelayedReading>());
    },
  });
  return { heard, stop: () => subscription.unsubscribe() };
}

async function relayed(): Promise<void> {
  const manager = await nats.nc.jetstreamManager();
  await waitFor(async () => {
    const { num_pending: pending, num_ack_pending: held } = await manager.consumers.info(streams.frames, "relay");
    return pending + held === 0;
  });
}

const ns = (heard: readonly RelayedReading[]): unknown[] => heard.map(({ values }) => values["n"]);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe("the relay", () => {
  test("says all that a reading says", async () => {
    const { heard, stop } = listen("fleetlog.acme.telemetry.whole");
    await store(reading("whole", 1, { values: { text: 'a "b" \\ ü\n', on: true, n: -1.5 }, quality: { n: "spike" } }));
    await waitFor(() => heard.length === 1);
    stop();
    expect(heard).toEqual([
      {
        ts: 1_790_000_000_001,
        receivedAt: 1_790_000_000_001,
        deviceType: "press",
        values: { text: 'a "b" \\ ü\n', on: true, n: -1.5 },
        quality: { n: "spike" },
      },
    ]);
  });

  test("whoever listens hears every reading once, in order, however quickly they come", async () => {
    const all = listen("fleetlog.acme.telemetry.*");
    await nats.nc.flush();
    for (let n = 0; n < 300; n += 3) await store(...[n, n + 1, n + 2].map((each) => reading("quick", each)));
    await waitFor(() => all.heard.length >= 300);
    await relayed();
    all.stop();
    expect(ns(all.heard)).toEqual(upTo(300));
  });

  test("who begins to listen in the middle misses nothing that comes afterwards", async () => {
    for (let n = 0; n < 20; n += 1) await store(reading("middle", n), reading("middle", n + 0.5));
    const late = listen("fleetlog.acme.telemetry.middle");
    await nats.nc.flush();
    for (let n = 20; n < 60; n += 1) await store(reading("middle", n), reading("middle", n + 0.5));
    await waitFor(() => late.heard.some(({ values }) => values["n"] === 59.5));
    late.stop();
    const heard = ns(late.heard).map(Number);
    expect(heard).toEqual(heard.toSorted((a, b) => a - b));
    expect(heard.filter((n) => n >= 20)).toEqual(upTo(80).map((half) => 20 + half / 2));
  });

  test("a subject's listener that leaves and comes back finds every reading since", async () => {
    const before = listen("fleetlog.acme.telemetry.back");
    await nats.nc.flush();
    await store(...upTo(10).map((n) => reading("back", n)));
    await waitFor(() => before.heard.length === 10);
    before.stop();
    await store(...upTo(10).map((n) => reading("back", 10 + n)));
    await relayed();
    await store(...upTo(10).map((n) => reading("back", 20 + n)));
    await relayed();
    const after = listen("fleetlog.acme.telemetry.back");
    await nats.nc.flush();
    await store(...upTo(10).map((n) => reading("back", 30 + n)));
    await waitFor(() => after.heard.length >= 10);
    after.stop();
    expect(ns(after.heard).slice(-10)).toEqual(upTo(10).map((n) => 30 + n));
  });

  test("what nobody listens to is not sent but for a question now and then, and holds no frame back", async () => {
    const sentBefore = nats.nc.stats().outMsgs;
    const readings = 2_000;
    for (let n = 0; n < readings; n += 100) await store(...upTo(100).map((each) => reading("silent", n + each)));
    await relayed();
    expect(nats.nc.stats().outMsgs - sentBefore).toBeLessThan(readings / 2);
  });

  test("of a device that had no listener, every reading is said to one who has come, those that come alone too", async () => {
    await store(...upTo(5).map((n) => reading("lone", n)));
    await relayed();
    const { heard, stop } = listen("fleetlog.acme.telemetry.lone");
    await nats.nc.flush();
    for (const n of [5, 6, 7]) {
      await store(reading("lone", n));
      await relayed();
      await waitFor(() => heard.length === n - 4);
    }
    stop();
    expect(ns(heard)).toEqual([5, 6, 7]);
  });

  test("a stream over the subjects is a listener: it keeps every reading", async () => {
    const manager = await nats.nc.jetstreamManager();
    const name = "KEPT";
    await manager.streams.add({
      name,
      subjects: ["fleetlog.kept.telemetry.>"],
      retention: RetentionPolicy.Limits,
      storage: StorageType.Memory,
    });
    const tenant = tenantId("kept");
    for (let n = 0; n < 200; n += 10) {
      await store(...upTo(10).map((each) => reading("d1", n + each, { tenantId: tenant })));
    }
    await waitFor(async () => (await manager.streams.info(name)).state.messages >= 200);
    expect((await manager.streams.info(name)).state.messages).toBe(200);
    await manager.streams.delete(name);
  });
});
