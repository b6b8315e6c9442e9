import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RetentionRule } from "../../../src/domain/tenant/index.js";
import {
  createHorizons,
  createRetentionPreview,
  createTelemetryQueries,
  openMarks,
} from "../../../src/ingest/index.js";
import type { Reading } from "../../../src/ingest/index.js";
import { createSweeper } from "../../../src/ingest/retention/sweeper.js";
import type { Marks } from "../../../src/ingest/rollups/marks.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { streams } from "../../../src/platform/subjects.js";
import { waitFor } from "../../support/wait-for.js";
import { DAY, HOUR, MINUTE, expected, reading, startStores } from "../rollups/support.js";
import type { Stores } from "../rollups/support.js";

let stores: Stores;
let marks: Marks;
const midnight = Math.floor(Date.now() / DAY) * DAY;
const all = { from: midnight - 30 * DAY, to: midnight + DAY };
const readings: Reading[] = [];
/** By tenant. */
const rules: Record<string, readonly RetentionRule[]> = { acme: [], globex: [] };

beforeAll(async () => {
  stores = await startStores();
  stores.startWriter();
  for (let day = 20; day >= 1; day -= 1) {
    for (const tenant of ["acme", "globex"]) {
      for (let n = 0; n < 3; n += 1) {
        const at = midnight - day * DAY + n * 7 * HOUR;
        readings.push(reading(tenant, "d1", at, { t: day * 10 + n, h: n, note: "x" }));
      }
    }
  }
  await stores.store(...readings);
  await stores.written();
  stores.startRollups();
  await stores.closed(Date.now() - MINUTE);
  marks = await openMarks(stores.nats.nc);
}, 120_000);
afterAll(() => stores.stop());

function sweeper() {
  return createSweeper({
    influx: stores.influx.influx,
    async *tenants() {
      for (const [tenant, its] of Object.entries(rules)) yield { tenant, rules: its };
    },
    logger: silentLogger,
    metrics: createMetrics(),
  });
}

const sweep = (): Promise<void> => sweeper().sweep(marks, new AbortController().signal);

/** As somebody sees storage who knows no rules. */
const stored = (tenant: string, metric: string): Promise<number> =>
  createTelemetryQueries(stores.influx.influx).count(tenant, { ...all, metric });

const visible = async (tenant: string, metric: string): Promise<number> => {
  const horizons = createHorizons({ marks: async () => marks, rulesOf: async (whose) => rules[whose] ?? [] });
  const queries = createTelemetryQueries(stores.influx.influx, horizons);
  const [series] = await queries.series(tenant, "d1", { ...all, metrics: [metric], limit: 10_000 });
  return series?.raw.length ?? 0;
};

async function daysLeft(level: "MINUTE" | "HOUR" | "DAY", tenant: string, metric: string): Promise<number> {
  const points = Object.keys(await stores.rollups(level, all)).filter((key) =>
    key.startsWith(`${tenant}/d1/${metric}/`),
  );
  return new Set(points.map((key) => Math.floor(Number(key.split("/").at(-1)) / DAY))).size;
}

const cutoff = (days: number): number => midnight - days * DAY;

const left = async (tenant: string): Promise<readonly number[]> => [
  await daysLeft("MINUTE", tenant, "t"),
  await daysLeft("HOUR", tenant, "t"),
  await daysLeft("HOUR", tenant, "h"),
  await daysLeft("DAY", tenant, "t"),
];

describe("a preview", () => {
  test("counts what each rule would take, of this tenant alone, and takes nothing", async () => {
    const preview = createRetentionPreview(stores.influx.influx);
    const found = await preview("acme", [
      { resolution: "RAW", days: 10 },
      { resolution: "RAW", metric: "t", days: 5 },
      { resolution: "HOUR", metric: "t", days: 15 },
      { resolution: "DAY", days: 100 },
    ]);
    expect(found).toEqual([
      {
        rule: { resolution: "RAW", days: 10 },
        cutoff: cutoff(10),
        // Of the metrics without a rule of their own: h and note.
        points: 10 * 3 * 2,
        oldest: cutoff(20),
        newest: cutoff(11) + 14 * HOUR,
        deletedBefore: cutoff(10),
      },
      {
        rule: { resolution: "RAW", metric: "t", days: 5 },
        cutoff: cutoff(5),
        points: 15 * 3,
        oldest: cutoff(20),
        newest: cutoff(6) + 14 * HOUR,
        deletedBefore: cutoff(10),
      },
      {
        rule: { resolution: "HOUR", metric: "t", days: 15 },
        cutoff: cutoff(15),
        points: 5 * 3,
        oldest: cutoff(20),
        newest: cutoff(16) + 14 * HOUR,
        deletedBefore: cutoff(15),
      },
      { rule: { resolution: "DAY", days: 100 }, cutoff: cutoff(100), points: 0, deletedBefore: cutoff(100) },
    ]);
    expect(await stored("acme", "t")).toBe(60);
  });
});

describe("retention", () => {
  test("hides a metric by its own rule at once, and deletes a point when none of its metrics is kept", async () => {
    rules["acme"] = [
      { resolution: "RAW", days: 10 },
      { resolution: "RAW", metric: "t", days: 5 },
    ];
    expect([await visible("acme", "t"), await visible("acme", "h")]).toEqual([15, 30]);
    await sweep();
    expect([await stored("acme", "t"), await stored("acme", "h")]).toEqual([30, 30]);
    expect([await visible("acme", "t"), await visible("acme", "h")]).toEqual([15, 30]);
    expect([await stored("globex", "t"), await stored("globex", "note")]).toEqual([60, 60]);
  });

  test("deletes rollups by metric, and leaves those of others, and of other tenants, alone", async () => {
    rules["acme"] = [
      ...(rules["acme"] ?? []),
      { resolution: "MINUTE", days: 3 },
      { resolution: "HOUR", days: 4 },
      { resolution: "HOUR", metric: "h", days: 12 },
    ];
    await sweep();
    expect(await left("acme")).toEqual([3, 4, 12, 20]);
    expect(await left("globex")).toEqual([20, 20, 20, 20]);
  });

  test("a rollup whose readings are gone is not made again of what comes late", async () => {
    const before = await stores.rollups("DAY", all);
    await stores.store(
      reading("acme", "d1", midnight - 18 * DAY + HOUR, { t: -5 }),
      reading("globex", "d1", midnight - 18 * DAY + HOUR, { t: -5 }),
    );
    await stores.written();
    const manager = await stores.nats.nc.jetstreamManager();
    const key = `globex/d1/t/${midnight - 18 * DAY}`;
    await waitFor(async () => (await stores.rollups("DAY", all))[key]?.[0] === 4, { what: "the other tenant's" });
    await waitFor(async () => (await manager.streams.info(streams.lateWindows)).state.messages === 0);
    const after = await stores.rollups("DAY", all);
    const late = reading("globex", "d1", midnight - 18 * DAY + HOUR, { t: -5 });
    const globex = readings.filter(({ tenantId }) => tenantId === "globex");
    expect(after).toEqual({ ...before, ...expected("DAY", [...globex, late]) });
  });

  test("what was deleted is not asked of the readings again when a rule is taken back", async () => {
    rules["acme"] = [];
    const horizons = createHorizons({ marks: async () => marks, rulesOf: async () => [] });
    const queries = createTelemetryQueries(stores.influx.influx, horizons);
    const [series] = await queries.series("acme", "d1", { ...all, metrics: ["t"], resolution: "auto", limit: 1_000 });
    expect(series?.source).toBe("DAY");
    expect(series?.aggregates.reduce((sum, { count }) => sum + count, 0)).toBe(60);
  });

  test("rules that cannot be read are no reason to stop", async () => {
    const away = createSweeper({
      influx: stores.influx.influx,
      tenants: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("away")) }) }),
      logger: silentLogger,
      metrics: createMetrics(),
    });
    await expect(away.sweep(marks, new AbortController().signal)).resolves.toBeUndefined();
  });

  test("a sweep that was cut off is carried out by the next", async () => {
    rules["globex"] = [{ resolution: "RAW", days: 2 }];
    const marksThatFail: Marks = { ...marks, setDeleted: () => Promise.reject(new Error("killed")) };
    await sweeper().sweep(marksThatFail, new AbortController().signal);
    const cut: Marks = { ...marks, seal: () => Promise.reject(new Error("killed")) };
    await sweeper().sweep(cut, new AbortController().signal);
    expect((await marks.deleted("globex"))["RAW"]).toBeUndefined();
    await sweep();
    expect((await marks.deleted("globex"))["RAW"]).toBe(midnight - 2 * DAY);
    expect(await stored("globex", "t")).toBe(6);
  });
});
