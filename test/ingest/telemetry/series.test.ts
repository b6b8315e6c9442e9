import { getEventListeners } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHorizons, createTelemetryQueries, openMarks } from "../../../src/ingest/index.js";
import type { Reading, TelemetryQueries } from "../../../src/ingest/index.js";
import { createInfluxQl } from "../../../src/ingest/telemetry/influxql.js";
import { DAY, HOUR, MINUTE, reading, startStores } from "../rollups/support.js";
import type { Stores } from "../rollups/support.js";

let stores: Stores;
let queries: TelemetryQueries;
const midnight = Math.floor(Date.now() / DAY) * DAY;
const begin = midnight - 3 * DAY + 7 * HOUR + 11 * MINUTE;
const readings: Reading[] = [];
const all = { from: midnight - 10 * DAY, to: midnight + DAY };

beforeAll(async () => {
  stores = await startStores();
  stores.startWriter();
  for (let n = 0; n < 2_000; n += 1) {
    const at = begin + n * 97_001;
    if (at >= Date.now() - HOUR) break;
    const quality = n % 50 === 0 ? { quality: { t: "spike|late" } } : {};
    readings.push({ ...reading("acme", "d1", at, { t: n % 13, note: `n${n % 3}`, rare: n }), ...quality });
  }
  for (let n = 0; n < readings.length; n += 200) await stores.store(...readings.slice(n, n + 200));
  await stores.store(reading("globex", "d1", begin, { t: 1_000 }));
  await stores.written();
  stores.startRollups();
  await stores.closed(Date.now() - MINUTE);
  const horizons = createHorizons({ marks: () => openMarks(stores.nats.nc), rulesOf: async () => [] });
  queries = createTelemetryQueries(stores.influx.influx, horizons);
}, 120_000);
afterAll(() => stores.stop());

/** As readings make them, one by one. */
function bucketsOf(metric: string, from: number, to: number, step: number) {
  const buckets = new Map<number, number[]>();
  for (const { timestamp, values } of readings) {
    const value = values[metric];
    if (timestamp < from || timestamp >= to || typeof value !== "number") continue;
    const start = Math.floor(timestamp / step) * step;
    buckets.set(start, [...(buckets.get(start) ?? []), value]);
  }
  return [...buckets].map(([timestamp, held]) => ({
    timestamp,
    mean: held.reduce((sum, value) => sum + value, 0) / held.length,
    min: Math.min(...held),
    max: Math.max(...held),
    count: held.length,
  }));
}

describe("a series in buckets", () => {
  const odd = { from: begin + 3 * HOUR + 7 * MINUTE + 13_000, to: begin + 45 * HOUR + 29 * MINUTE + 1 };
  test.each([
    ["days", all, DAY, "DAY"],
    ["days that begin and end within hours", odd, DAY, "DAY"],
    ["hours", odd, HOUR, "HOUR"],
    ["half days", odd, 12 * HOUR, "HOUR"],
    ["five minutes", odd, 5 * MINUTE, "MINUTE"],
    ["ninety seconds, which no rollup has", odd, 90_000, "RAW"],
    ["a part of an hour", { from: begin + 61 * MINUTE, to: begin + 90 * MINUTE }, HOUR, "MINUTE"],
  ] as const)(
    "of %s is what the readings make, and says out of what it is made",
    async (_name, range, step, source) => {
      const [series] = await queries.series("acme", "d1", {
        metrics: ["t"],
        ...range,
        resolution: step,
        limit: 10_000,
      });
      expect(series?.aggregates).toEqual(bucketsOf("t", range.from, range.to, step));
      expect(series).toMatchObject({ source, resolution: step, isCut: false });
    },
  );

  test("is cut at the end that is not kept, with every bucket whole", async () => {
    const whole = bucketsOf("t", odd.from, odd.to, HOUR);
    const asked = { metrics: ["t"], ...odd, resolution: HOUR, limit: 7 };
    const [newest] = await queries.series("acme", "d1", asked);
    const [oldest] = await queries.series("acme", "d1", { ...asked, keep: "oldest" });
    expect([newest?.aggregates, newest?.isCut]).toEqual([whole.slice(-7), true]);
    expect([oldest?.aggregates, oldest?.isCut]).toEqual([whole.slice(0, 7), true]);
  });

  test("is read from the rollups: what they say counts, not what lies below", async () => {
    const ql = createInfluxQl(stores.influx.influx);
    await ql.ask([`DELETE FROM sensor_data_daily WHERE "tenant_id" = 'acme' AND "sensor_type" = 'rare'`]);
    const [series] = await queries.series("acme", "d1", { metrics: ["rare"], ...all, resolution: DAY });
    expect(series?.aggregates.reduce((sum, { count }) => sum + count, 0)).toBeLessThan(readings.length / 2);
  });
});

describe("as many points as wanted", () => {
  test.each([10, 100, 333, 1_000, 10_000])("%i are never exceeded, and nothing is left out", async (limit) => {
    const [series] = await queries.series("acme", "d1", { metrics: ["t"], ...all, resolution: "auto", limit });
    const points = series?.raw.length === 0 ? series.aggregates : (series?.raw ?? []);
    expect(points.length).toBeLessThanOrEqual(limit);
    expect(points.length).toBeGreaterThan(0);
    const counted = series?.aggregates.reduce((sum, { count }) => sum + count, 0) ?? 0;
    expect(counted + (series?.raw.length ?? 0)).toBe(readings.length);
    expect(series?.resolution === undefined).toBe(limit >= readings.length);
  });

  test("texts have no mean: of too many the newest", async () => {
    const [series] = await queries.series("acme", "d1", { metrics: ["note"], ...all, resolution: "auto", limit: 5 });
    expect(series?.raw.map(({ timestamp }) => timestamp)).toEqual(readings.slice(-5).map(({ timestamp }) => timestamp));
    expect(series?.isCut).toBe(true);
  });
});

describe("pages", () => {
  test("give every reading once, in order, however much is stored behind them meanwhile", async () => {
    const seen: unknown[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < 100; pages += 1) {
      const page = await queries.page("acme", "d1", {
        metrics: ["t", "note"],
        ...all,
        first: 300,
        ...(after === undefined ? {} : { after }),
      });
      const [t, note] = page.series;
      expect(t?.raw.length).toBeLessThanOrEqual(300);
      seen.push(...(t?.raw ?? []).map((point, index) => [point, note?.raw[index]?.value]));
      if (pages === 2) {
        await stores.store(reading("acme", "d1", begin - MINUTE, { t: -1 }));
        await stores.written();
      }
      if (!page.hasNextPage) break;
      after = page.endCursor;
    }
    expect(seen).toEqual(
      readings.map(({ timestamp, values, quality }) => [
        { timestamp, value: values["t"], ...(quality === undefined ? {} : { quality: quality["t"] }) },
        values["note"],
      ]),
    );
  });

  test("of buckets end together for all metrics", async () => {
    const range = { from: begin, to: begin + 5 * HOUR };
    const found: Record<string, unknown[]> = { t: [], absent: [], rare: [] };
    let after: string | undefined;
    for (;;) {
      const page = await queries.page("acme", "d1", {
        metrics: Object.keys(found),
        ...range,
        resolution: 600_000,
        first: 4,
        ...(after === undefined ? {} : { after }),
      });
      for (const { metric, aggregates } of page.series) found[metric]?.push(...aggregates);
      if (!page.hasNextPage) break;
      after = page.endCursor;
    }
    expect(found).toEqual({
      t: bucketsOf("t", range.from, range.to, 600_000),
      absent: [],
      rare: bucketsOf("rare", range.from, range.to, 600_000),
    });
  });

  test("do not take what is no cursor", async () => {
    const page = { metrics: ["t"], ...all, first: 1, after: "bm8=" };
    await expect(queries.page("acme", "d1", page)).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });
});

test("all times there are may be asked for, also those that InfluxDB has no number for", async () => {
  const ever = { from: Date.parse("0001-01-01"), to: Date.parse("9999-12-31") };
  const [measured] = await queries.series("acme", "d1", { metrics: ["note"], ...ever, limit: 10_000 });
  expect(measured?.raw).toHaveLength(readings.length);
  const rows: unknown[] = [];
  const asked = { ...ever, metrics: ["note"] };
  for await (const page of queries.export("acme", "d1", asked, new AbortController().signal)) rows.push(...page);
  expect(rows).toHaveLength(readings.length);
});

describe("the newest value", () => {
  test("is the newest by the device's time, however rarely it is sent, with what makes it doubtful", async () => {
    const last = readings.at(-1)?.timestamp ?? 0;
    await stores.store(
      { ...reading("acme", "d2", last, { often: 1, seldom: 5 }), quality: { seldom: "range" } },
      reading("acme", "d2", last - HOUR, { seldom: 4 }),
    );
    await stores.store(...Array.from({ length: 40 }, (_, n) => reading("acme", "d2", last + 1 + n, { often: n })));
    await stores.written();
    expect(await queries.latest("acme", "d2")).toEqual([
      { metric: "often", value: 39, timestamp: last + 40 },
      { metric: "seldom", value: 5, timestamp: last, quality: "range" },
    ]);
  });
});

describe("an export", () => {
  test("gives everything once, in order, a page in memory at a time", async () => {
    const rows: unknown[] = [];
    let largest = 0;
    for await (const page of queries.export("acme", "d1", { ...all, metrics: ["t"] }, new AbortController().signal)) {
      largest = Math.max(largest, page.length);
      rows.push(...page);
    }
    expect(rows).toHaveLength(readings.length + 1);
    expect(rows[1]).toEqual({ metric: "t", time: new Date(begin).toISOString(), value: 0, quality: "spike|late" });
    expect(largest).toBeLessThanOrEqual(2_000);
  });

  test("leaves nothing behind with its signal, however many pages it has", async () => {
    const { signal } = new AbortController();
    const listening: number[] = [];
    for await (const page of queries.export("acme", "d1", { ...all, metrics: ["t"], resolution: MINUTE }, signal)) {
      listening.push(page.length > 0 ? getEventListeners(signal, "abort").length : 0);
    }
    expect(new Set(listening)).toEqual(new Set([0]));
  });

  test("asks nothing more once it is aborted", async () => {
    const leaving = new AbortController();
    const pages = queries.export("acme", "d1", { ...all, metrics: ["t"], resolution: MINUTE }, leaving.signal);
    await pages.next();
    leaving.abort(new Error("gone"));
    await expect(pages.next()).rejects.toThrow("gone");
  });

  test("of buckets is what the series says", async () => {
    const rows: unknown[] = [];
    const asked = { ...all, metrics: ["t"], resolution: HOUR };
    for await (const page of queries.export("acme", "d1", asked, new AbortController().signal)) rows.push(...page);
    const [series] = await queries.series("acme", "d1", { ...asked, limit: 10_000 });
    expect(rows).toEqual(
      series?.aggregates.map(({ timestamp, ...rest }) => ({
        metric: "t",
        time: new Date(timestamp).toISOString(),
        ...rest,
      })),
    );
  });
});
