import { nanos } from "nats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHorizons, createTelemetryQueries, openMarks } from "../../../src/ingest/index.js";
import { openOwed, withSpan } from "../../../src/ingest/rollups/owed.js";
import type { OwedSpan } from "../../../src/ingest/rollups/owed.js";
import type { HasHealth, Running } from "../../../src/platform/lifecycle.js";
import { lateConsumer, streams } from "../../../src/platform/subjects.js";
import { waitFor } from "../../support/wait-for.js";
import { DAY, HOUR, MINUTE, reading, startStores } from "./support.js";
import type { Stores } from "./support.js";

const midnight = Math.floor(Date.now() / DAY) * DAY;
const NEVER = 3_600_000;

const window = (tenant: string, minute: number) => ({ tenant, device: "d1", minute, fields: ["t"] });
const done = async () => {};

/** As marks keep it, and the notes' numbers. */
function kept(stored: Map<string, readonly OwedSpan[]>) {
  return {
    allOwed: async () => stored,
    async setOwed(tenant: string, spans: readonly OwedSpan[]) {
      if (spans.length === 0) stored.delete(tenant);
      else stored.set(tenant, spans);
    },
  };
}
const nothingLeft = async () => ({ last: 0, doneUntil: 0 });

describe("what rollups owe", () => {
  const at = midnight - 2 * DAY;
  let stores: Stores;
  let rollups: Running & HasHealth;
  beforeAll(async () => {
    stores = await startStores();
    stores.startWriter();
    const hours = Array.from({ length: 24 }, (_, hour) => reading("acme", "d1", at + hour * HOUR, { t: 1 }));
    await stores.store(...hours, reading("globex", "d1", at, { t: 1 }));
    await stores.written();
    rollups = stores.startRollups();
    await stores.closed(Date.now() - MINUTE);
    const manager = await stores.nats.nc.jetstreamManager();
    await waitFor(async () => {
      const { num_pending, num_ack_pending } = await manager.consumers.info(streams.frames, "rollup");
      return num_pending + num_ack_pending === 0;
    });
    for (const tenant of ["acme", "globex"]) await waitFor(async () => (await owed(tenant)).length === 0);
    await rollups.stop();
    rollups = stores.startRollups({ lateDelayMs: NEVER });
  }, 120_000);
  afterAll(() => stores.stop());

  async function hours(tenant: string) {
    const horizons = createHorizons({ marks: () => openMarks(stores.nats.nc), rulesOf: async () => [] });
    const queries = createTelemetryQueries(stores.influx.influx, horizons);
    const query = { metrics: ["t"], from: at, to: at + DAY, resolution: HOUR };
    const [series] = await queries.series(tenant, "d1", query);
    return { source: series?.source, counts: series?.aggregates.map(({ count }) => count) };
  }

  const owed = async (tenant: string) => (await openMarks(stores.nats.nc)).owed(tenant);

  async function noted(count: number): Promise<void> {
    await stores.written();
    const manager = await stores.nats.nc.jetstreamManager();
    await waitFor(async () => (await manager.streams.info(streams.lateWindows)).state.messages >= count, {
      what: "the note",
    });
  }

  test("is answered from the readings until it is made good, whoever rolls up by then", async () => {
    await stores.store(reading("acme", "d1", at + 5 * HOUR + 1, { t: 1 }));
    await noted(1);
    const counts = Array.from({ length: 24 }, (_, hour) => (hour === 5 ? 2 : 1));
    expect(await owed("acme")).toEqual([{ from: at + 5 * HOUR, to: at + 6 * HOUR }]);
    // Only the hour that is owed: the others still come from rollups.
    expect(await hours("acme")).toEqual({ source: "HOUR", counts });
    expect(await owed("globex")).toEqual([]);

    await rollups.stop();
    expect(await hours("acme")).toEqual({ source: "HOUR", counts });
    rollups = stores.startRollups();
    await waitFor(async () => (await owed("acme")).length === 0, { what: "nothing to be owed", deadlineMs: 30_000 });
    expect(await hours("acme")).toEqual({ source: "HOUR", counts });
    const key = `acme/d1/t/${at + 5 * HOUR}`;
    expect((await stores.rollups("HOUR", { from: at, to: at + DAY }))[key]?.[0]).toBe(2);
  }, 60_000);

  test("is made good also where a roller was killed that had taken it up", async () => {
    await rollups.stop();
    rollups = stores.startRollups({ lateDelayMs: NEVER });
    await stores.store(reading("globex", "d1", at + 1, { t: 1 }));
    await noted(1);
    await rollups.stop();
    const manager = await stores.nats.nc.jetstreamManager();
    await manager.consumers.update(streams.lateWindows, lateConsumer, { ack_wait: nanos(1_000) });
    const consumer = await stores.nats.nc.jetstream().consumers.get(streams.lateWindows, lateConsumer);
    for await (const { info } of await consumer.fetch({ max_messages: 1, expires: 1_000 })) {
      expect(info.redeliveryCount).toBe(1);
    }
    // Nothing pends now: it has been given out, to one who does not answer any more.
    expect((await consumer.info(false)).num_pending).toBe(0);
    rollups = stores.startRollups();
    await waitFor(async () => (await owed("globex")).length === 0, { what: "nothing to be owed", deadlineMs: 30_000 });
    expect((await hours("globex")).counts).toEqual([2]);
  }, 60_000);
});

describe("the time that is owed", () => {
  test("is taken back for what is worked off, however much comes meanwhile", async () => {
    const stored = new Map<string, readonly OwedSpan[]>();
    const owed = await openOwed(kept(stored));
    await owed.noting([window("acme", 0)], done);
    await owed.settle(async () => ({ last: 1, doneUntil: 0 }));
    await owed.noting([window("acme", 5 * HOUR)], done);
    await owed.settle(async () => ({ last: 2, doneUntil: 1 }));
    expect([...stored]).toEqual([
      [
        "acme",
        [
          { from: 0, to: HOUR },
          { from: 5 * HOUR, to: 6 * HOUR },
        ],
      ],
    ]);
    await owed.settle(async () => ({ last: 3, doneUntil: 2 }));
    expect(stored.get("acme")).toEqual([{ from: 5 * HOUR, to: 6 * HOUR }]);
    await owed.settle(async () => ({ last: 9, doneUntil: 3 }));
    await owed.settle(async () => ({ last: 12, doneUntil: 9 }));
    expect([...stored]).toEqual([]);
  });

  test("is stored before the note is made, and not taken back while one may or may not be stored", async () => {
    const stored = new Map<string, readonly OwedSpan[]>();
    const owed = await openOwed(kept(stored));
    const lost = owed.noting([window("acme", 0)], async () => {
      expect(stored.get("acme")).toEqual([{ from: 0, to: HOUR }]);
      throw new Error("timeout");
    });
    await expect(lost).rejects.toThrow("timeout");
    for (let turn = 0; turn < 3; turn += 1) await owed.settle(nothingLeft);
    expect(stored.has("acme")).toBe(true);
    await owed.noting([window("acme", 0)], done);
    for (let turn = 0; turn < 3; turn += 1) await owed.settle(nothingLeft);
    expect(stored.has("acme")).toBe(false);
  });

  test("is what an earlier process has left, until all of its notes are worked off", async () => {
    const stored = new Map([["acme", [{ from: 0, to: HOUR }]]]);
    const owed = await openOwed(kept(stored));
    await owed.settle(async () => ({ last: 7, doneUntil: 6 }));
    expect(stored.has("acme")).toBe(true);
    await owed.settle(async () => ({ last: 8, doneUntil: 7 }));
    expect(stored.has("acme")).toBe(false);
  });

  test("is kept in few spans, which grow where they are near to each other", () => {
    const spans = [90, 10, 50, 11, 30, 52].reduce<readonly OwedSpan[]>(
      (all, hour) => withSpan(all, { from: hour, to: hour + 1 }),
      [],
    );
    expect(spans).toEqual([
      { from: 10, to: 12 },
      { from: 30, to: 31 },
      { from: 50, to: 53 },
      { from: 90, to: 91 },
    ]);
    expect(withSpan(spans, { from: 51, to: 52 })).toBe(spans);
  });
});
