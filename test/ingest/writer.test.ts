import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectInflux } from "../../src/engines/influx.js";
import { createTelemetryQueries, startWriter } from "../../src/ingest/index.js";
import type { Reading } from "../../src/ingest/index.js";
import { encodeFrame } from "../../src/ingest/frames/frame.js";
import type { MetricValue } from "../../src/ingest/reading.js";
import { toLine } from "../../src/ingest/writer/line-protocol.js";
import type { HasHealth, Running } from "../../src/platform/lifecycle.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import { streams, subjects } from "../../src/platform/subjects.js";
import { deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import { waitFor } from "../support/wait-for.js";
import { influxUnderTest, natsUnderTest, rejectionsOf } from "./support.js";
import type { InfluxUnderTest, NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let influx: InfluxUnderTest;
let writer: Running & HasHealth;
const start = Date.now() - 3_600_000;

beforeAll(async () => {
  [nats, influx] = await Promise.all([natsUnderTest(), influxUnderTest()]);
  writer = startWriter({ nc: nats.nc, influx: influx.influx, logger: silentLogger, metrics: createMetrics() });
});
afterAll(async () => {
  await writer.stop();
  await Promise.all([nats.stop(), influx.stop()]);
});

function reading(
  tenant: string,
  device: string,
  timestamp: number,
  values: Record<string, MetricValue>,
  site?: string,
): Reading {
  return {
    tenantId: tenantId(tenant),
    deviceId: deviceId(device),
    deviceType: deviceTypeId("sensor"),
    receivedAt: timestamp,
    timestamp,
    values,
    ...(site === undefined ? {} : { site }),
  };
}

async function store(...readings: readonly Reading[]): Promise<void> {
  await nats.nc.jetstream().publish(subjects.frames(0), encodeFrame(readings));
}

async function written(): Promise<void> {
  await waitFor(async () => {
    const manager = await nats.nc.jetstreamManager();
    const { num_pending: pending, num_ack_pending: unacknowledged } = await manager.consumers.info(
      streams.frames,
      "writer",
    );
    return pending + unacknowledged === 0;
  });
}

const everything = { from: 0, to: Date.now() + 3_600_000 };

describe("the writer", () => {
  test("stores every kind of value, whatever it looks like, and the queries give it back", async () => {
    const values = {
      temperature: -21.5e-3,
      state: 'a "quoted" \\ text, with = and\na line feed, ü 🎉\\',
      on: false,
      "odd.name-1": 1e21,
    };
    await store(reading("kinds", "d1", start, values, "hall 1, left=2 \\"));
    await written();
    const queries = createTelemetryQueries(influx.influx);
    expect(await queries.latest("kinds", "d1")).toEqual(
      Object.entries(values)
        .map(([metric, value]) => ({ metric, value, timestamp: start }))
        .toSorted((a, b) => (a.metric < b.metric ? -1 : 1)),
    );
  });

  test("one tenant's text does not stand in the way of another's number", async () => {
    await store(reading("text", "d1", start, { level: "low" }));
    await store(reading("number", "d1", start, { level: 3 }));
    await written();
    const queries = createTelemetryQueries(influx.influx);
    expect(await queries.latest("text", "d1")).toEqual([{ metric: "level", value: "low", timestamp: start }]);
    expect(await queries.latest("number", "d1")).toEqual([{ metric: "level", value: 3, timestamp: start }]);
  });

  test("a metric that bears a tag's name blinds nobody", async () => {
    await store(reading("victim", "d1", start, { level: 3 }));
    const values = { device_id: 1, device_type: 2, location: 3, tenant_id: 4, _measurement: 5 };
    await store(reading("hostile", "d1", start, values, "hall 1"));
    await written();
    const queries = createTelemetryQueries(influx.influx);
    expect(await queries.latest("victim", "d1")).toEqual([{ metric: "level", value: 3, timestamp: start }]);
    expect(await queries.count("victim", everything)).toBe(1);
    const latest = await queries.latest("hostile", "d1");
    expect(Object.fromEntries(latest.map(({ metric, value }) => [metric, value]))).toEqual(values);
    const [series] = await queries.series("hostile", "d1", { ...everything, metrics: ["tenant_id"] });
    expect(series?.raw).toEqual([{ timestamp: start, value: 4 }]);
  });

  test("the same reading is stored once, however often it comes; distinct ones of one millisecond all stay", async () => {
    const distinct = Array.from({ length: 50 }, (_, n) => reading("twice", "d1", start, { n }));
    await store(...distinct);
    await store(...distinct.toReversed());
    await written();
    expect(await createTelemetryQueries(influx.influx).count("twice", { ...everything, metric: "n" })).toBe(50);
  });

  test("the order of the values in a message does not make another reading of it", () => {
    const one = toLine(reading("t", "d", 1, { a: 1, b: "x" }));
    expect(toLine(reading("t", "d", 1, { b: "x", a: 1 }))).toBe(one);
  });

  test("latest is the newest by the device's time, not by arrival", async () => {
    await store(reading("late", "d1", start + 1_000, { a: "new" }));
    await written();
    await store(reading("late", "d1", start, { a: "old", b: 1 }));
    await written();
    expect(await createTelemetryQueries(influx.influx).latest("late", "d1")).toEqual([
      { metric: "a", value: "new", timestamp: start + 1_000 },
      { metric: "b", value: 1, timestamp: start },
    ]);
  });

  test("a reading that InfluxDB refuses is kept with its reason, and the others are stored", async () => {
    // InfluxDB 1.x and 2.x take no time before 1677, so this one can never be stored.
    const guilty = reading("guilty", "d1", Number.MIN_SAFE_INTEGER, { n: -1 });
    const good = Array.from({ length: 20 }, (_, n) => reading("guilty", "d1", start + n, { n }));
    await store(...good.slice(0, 7), guilty, ...good.slice(7));
    await written();
    expect(await createTelemetryQueries(influx.influx).count("guilty", { ...everything, metric: "n" })).toBe(20);
    const kept = await rejectionsOf(nats.nc, "guilty", "d1");
    expect(kept).toHaveLength(1);
    expect(kept[0]).toMatchObject({
      door: "writer",
      payload: JSON.stringify({ ts: guilty.timestamp, values: { n: -1 } }),
    });
    expect(kept[0]?.reason).toContain("InfluxDB refused it");
    expect(kept[0]?.line).toBe(toLine(guilty));
    const { timestamp, values } = guilty;
    expect(kept[0]?.form).toMatchObject({ as: "reading", reading: { deviceId: "d1", timestamp, values } });
  });

  test("while InfluxDB is killed and comes back, nothing is lost and nothing doubled", async () => {
    const frames = 200;
    const perFrame = 25;
    for (let frame = 0; frame < frames; frame += 1) {
      await store(
        ...Array.from({ length: perFrame }, (_, n) =>
          reading("killed", `d${n}`, start + frame, { n: frame * perFrame + n }),
        ),
      );
      if (frame === 50) process.kill(influx.server.pid() ?? Number.NaN, "SIGKILL");
    }
    await waitFor(() => writer.health()[0]?.state === "up" && influx.server.pid() !== undefined);
    await written();
    const count = await createTelemetryQueries(influx.influx).count("killed", { ...everything, metric: "n" });
    expect(count).toBe(frames * perFrame);
  });
});

describe("telemetry queries", () => {
  test("series are raw or by interval, bounded, and sorted by time", async () => {
    await store(
      ...Array.from({ length: 100 }, (_, n) => reading("series", "d1", start + n * 1_000, { n, even: n % 2 === 0 })),
    );
    await written();
    const queries = createTelemetryQueries(influx.influx);
    const range = { from: start, to: start + 100_000 };
    const [raw, even] = await queries.series("series", "d1", { ...range, metrics: ["n", "even"], limit: 10 });
    expect(raw?.raw.map(({ value }) => value)).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
    expect(even?.raw).toHaveLength(10);
    const [oldest] = await queries.series("series", "d1", { ...range, metrics: ["n"], limit: 2, keep: "oldest" });
    expect(oldest?.raw).toEqual([
      { timestamp: start, value: 0 },
      { timestamp: start + 1_000, value: 1 },
    ]);
    const [by] = await queries.series("series", "d1", { ...range, metrics: ["n"], resolution: 3_600_000 });
    const total = by?.aggregates.reduce((sum, { count }) => sum + count, 0);
    expect(total).toBe(100);
    expect(Math.max(...(by?.aggregates.map(({ max }) => max) ?? []))).toBe(99);
  });

  test("an interval's end is exclusive to the millisecond", async () => {
    await store(reading("edges", "d1", start, { n: 0 }), reading("edges", "d1", start + 1, { n: 1 }));
    await written();
    const queries = createTelemetryQueries(influx.influx);
    expect(await queries.count("edges", { from: start, to: start + 1, metric: "n" })).toBe(1);
    expect(await queries.count("edges", { from: start + 1, to: start + 2, metric: "n" })).toBe(1);
  });

  test("nothing that is asked breaks out of its quotes", async () => {
    const queries = createTelemetryQueries(influx.influx);
    await store(reading("victim", "d1", start, { n: 1 }));
    await written();
    expect(await queries.latest("victim", "x' OR '1'='1")).toEqual([]);
    expect(await queries.latest("x\\' OR 1=1 --", "d1")).toEqual([]);
    const metric = 'n" FROM sensor_data; DROP MEASUREMENT sensor_data --';
    const [series] = await queries.series("victim", "d1", { ...everything, metrics: [metric, 'n\\"'] });
    expect(series?.raw).toEqual([]);
    expect(await queries.count("victim", { ...everything, metric: "n" })).toBe(1);
  });

  test("a store that is away is said to be away, and not where it stands", async () => {
    const away = createTelemetryQueries(connectInflux({ url: "http://127.0.0.1:9", org: "o", bucket: "b" }));
    const failure: unknown = await away.latest("t", "d").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "UNAVAILABLE", cause: expect.any(Error) as Error });
    expect((failure as Error).message).not.toContain("127.0.0.1");
  });

  test("more than may be asked is refused with the bound", async () => {
    const queries = createTelemetryQueries(influx.influx);
    await expect(queries.series("t", "d", { ...everything, metrics: ["n"], limit: 10_001 })).rejects.toMatchObject({
      code: "PAGE_TOO_LARGE",
    });
    await expect(queries.series("t", "d", { ...everything, metrics: ["n"], resolution: 0.5 })).rejects.toMatchObject({
      code: "INVALID_VALUE",
    });
  });
});
