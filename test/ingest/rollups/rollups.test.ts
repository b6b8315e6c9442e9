import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTelemetryQueries } from "../../../src/ingest/index.js";
import type { Reading } from "../../../src/ingest/index.js";
import type { HasHealth, Running } from "../../../src/platform/lifecycle.js";
import { streams } from "../../../src/platform/subjects.js";
import { waitFor } from "../../support/wait-for.js";
import { gatewayUnderTest } from "../support.js";
import { DAY, HOUR, MINUTE, expected, reading, startStores } from "./support.js";
import type { Stores } from "./support.js";

let stores: Stores;
let writer: Running & HasHealth;
let rollups: Running & HasHealth;
const midnight = Math.floor(Date.now() / DAY) * DAY;
/** Whole numbers, so that sums are exact in whatever order they are made. */
const before: Reading[] = [];
const span = { from: midnight - 2 * DAY, to: midnight + DAY };

beforeAll(async () => {
  stores = await startStores();
  writer = stores.startWriter();
  const begin = midnight - 2 * DAY + 5 * HOUR;
  for (const tenant of ["acme", "globex"]) {
    for (const device of ["d1", "d2"]) {
      for (let n = 0; n < 200; n += 1) {
        const at = begin + n * 37_000;
        before.push(reading(tenant, device, at, { temperature: n % 17, tenant_id: n, state: "on", ok: n % 2 === 0 }));
      }
    }
  }
  for (let n = 0; n < before.length; n += 100) await stores.store(...before.slice(n, n + 100));
  await stores.written();
  rollups = stores.startRollups();
  await stores.closed(Date.now() - MINUTE);
}, 120_000);
afterAll(() => stores.stop());

describe("rollups", () => {
  test.each(["MINUTE", "HOUR", "DAY"] as const)(
    "each %s has what was measured in it, of each device by itself",
    async (level) => {
      expect(await stores.rollups(level, span)).toEqual(expected(level, before));
    },
  );

  test("late readings come out exact at every level, those that were sent twice once", async () => {
    const late = [
      reading("acme", "d1", midnight - 2 * DAY + 5 * HOUR + 1, { temperature: -100 }),
      reading("acme", "d1", midnight - 2 * DAY + 20 * HOUR, { temperature: 7, fresh: 1 }),
      reading("acme", "new", midnight - DAY + 3 * HOUR + 90_500, { temperature: 3 }),
    ];
    await stores.store(...late);
    await stores.store(...late);
    before.push(...late);
    for (const level of ["MINUTE", "HOUR", "DAY"] as const) {
      await waitFor(
        async () => (await stores.rollups(level, span))[`acme/new/temperature/${dayOf(level)}`] !== undefined,
        {
          what: `the late reading in ${level}`,
        },
      );
    }
    await corrected(stores);
    for (const level of ["MINUTE", "HOUR", "DAY"] as const) {
      expect(await stores.rollups(level, span)).toEqual(expected(level, before));
    }
  });

  test("a window is not computed before the writer has stored what was seen for it", async () => {
    await writer.stop();
    const late = reading("acme", "d2", midnight - 2 * DAY + 6 * HOUR, { temperature: 1_000 });
    await stores.store(late);
    // The roller has it, and takes it up; InfluxDB does not have it.
    await waitFor(async () => (await consumer(stores, "rollup")).unacknowledged === 0, {
      what: "the roller to note it",
    });
    await waitFor(async () => (await lateNotes(stores)).taken > 0, { what: "the roller to take the note up" });
    before.push(late);
    writer = stores.startWriter();
    await corrected(stores);
    expect(await stores.rollups("DAY", span)).toEqual(expected("DAY", before));
  });

  test("what is owed when the roller ends is made good by the next", async () => {
    await rollups.stop();
    rollups = stores.startRollups({ lateDelayMs: 3_600_000 });
    const late = reading("globex", "d2", midnight - 2 * DAY + 6 * HOUR, { temperature: -1_000 });
    await stores.store(late);
    before.push(late);
    await stores.written();
    await waitFor(async () => (await lateNotes(stores)).messages > 0, { what: "the note" });
    await waitFor(async () => (await consumer(stores, "rollup")).unacknowledged === 0, {
      what: "the frame to be done",
    });
    await rollups.stop();
    expect(await stores.rollups("HOUR", span)).not.toEqual(expected("HOUR", before));
    rollups = stores.startRollups({ owner: "another" });
    await corrected(stores);
    for (const level of ["MINUTE", "HOUR", "DAY"] as const) {
      expect(await stores.rollups(level, span)).toEqual(expected(level, before));
    }
  }, 120_000);

  test("what a device sends late over MQTT lands in its place, and is not the newest", async () => {
    const gateway = await gatewayUnderTest(stores.nats.nc);
    gateway.models.put("acme", "d7");
    const client = await gateway.connect({ username: "acme/d7" });
    const send = (ts: number, temperature: number) =>
      client.publishAsync("v1/acme/d7/telemetry", JSON.stringify({ ts, values: { temperature } }), { qos: 1 });
    const now = Date.now();
    await send(now, 20);
    await send(midnight - DAY + 12 * HOUR, 5);
    await send(midnight - DAY + 12 * HOUR + 1_000, 7);
    await corrected(stores);
    const hour = await stores.rollups("HOUR", { from: midnight - DAY + 12 * HOUR, to: midnight - DAY + 13 * HOUR });
    expect(hour).toEqual({ [`acme/d7/temperature/${midnight - DAY + 12 * HOUR}`]: [2, 12, 5, 7, 6] });
    expect(await createTelemetryQueries(stores.influx.influx).latest("acme", "d7")).toEqual([
      { metric: "temperature", value: 20, timestamp: now },
    ]);
    await gateway.stop();
  });

  test("one rolls up, and another takes over when it goes", async () => {
    const other = stores.startRollups({ owner: "a third" });
    await waitFor(() => other.health()[0]?.detail === "another process rolls up");
    await rollups.stop();
    await waitFor(() => other.health()[0]?.detail === undefined, { what: "the other to take over" });
    expect(other.health()).toEqual([expect.objectContaining({ name: "rollups", state: "up" })]);
    rollups = other;
  }, 120_000);
});

function dayOf(level: "MINUTE" | "HOUR" | "DAY"): number {
  const at = midnight - DAY + 3 * HOUR + 90_500;
  const ms = { MINUTE, HOUR, DAY }[level];
  return Math.floor(at / ms) * ms;
}

async function consumer({ nats }: Stores, name: string): Promise<{ readonly unacknowledged: number }> {
  const manager = await nats.nc.jetstreamManager();
  const { num_pending, num_ack_pending } = await manager.consumers.info(streams.frames, name);
  return { unacknowledged: num_pending + num_ack_pending };
}

async function lateNotes({ nats }: Stores): Promise<{ readonly messages: number; readonly taken: number }> {
  const manager = await nats.nc.jetstreamManager();
  const { state } = await manager.streams.info(streams.lateWindows);
  const { num_ack_pending } = await manager.consumers.info(streams.lateWindows, "rollup");
  return { messages: state.messages, taken: num_ack_pending };
}

/** Until no frame and no note is left. */
async function corrected(stores: Stores): Promise<void> {
  await stores.written();
  await waitFor(async () => (await consumer(stores, "rollup")).unacknowledged === 0, { what: "the frames to be seen" });
  await waitFor(async () => (await lateNotes(stores)).messages === 0, { what: "the corrections", deadlineMs: 90_000 });
}
