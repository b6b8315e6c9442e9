/** The score on a real InfluxDB, from lines as the writer makes them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import type { MetricValue, QualityQueries, Reading } from "../../src/ingest/index.js";
import { createQualityQueries } from "../../src/ingest/telemetry/quality-queries.js";
import { createInfluxStore } from "../../src/ingest/writer/influx-store.js";
import { toLine } from "../../src/ingest/writer/line-protocol.js";
import { influxUnderTest } from "./support.js";
import type { InfluxUnderTest } from "./support.js";

const SIX = Date.parse("2027-03-01T06:00:00.000Z");
const MINUTE = 60_000;
const HOUR = 3_600_000;

let influx: InfluxUnderTest;

beforeAll(async () => {
  influx = await influxUnderTest();
}, 60_000);

afterAll(() => influx.stop());

function reading(
  timestamp: number,
  values: Readonly<Record<string, MetricValue>>,
  quality?: Readonly<Record<string, string>>,
  device = "d1",
): Reading {
  return {
    tenantId: tenantId("acme"),
    deviceId: deviceId(device),
    deviceType: deviceTypeId("sensor"),
    receivedAt: timestamp,
    timestamp,
    values,
    ...(quality === undefined ? {} : { quality }),
  };
}

async function store(readings: readonly Reading[]): Promise<void> {
  const lines = readings.map(toLine);
  const guilty = await createInfluxStore(influx.influx).write({
    count: lines.length,
    body: () => lines.map((line) => `${line}\n`).join(""),
    each: () => lines,
  });
  expect(guilty).toEqual([]);
}

function queries(): QualityQueries {
  return createQualityQueries(influx.influx, () => SIX + 10 * HOUR);
}

describe("the quality of a device's data", () => {
  const metrics = ["temperature", "humidity", "door", "never"];

  it("is the share of what came and is not doubted, by the hour and by flag", async () => {
    await store([
      reading(SIX, { temperature: 1, humidity: 50 }),
      reading(SIX + MINUTE, { temperature: 99, humidity: 50 }, { temperature: "range|spike" }),
      reading(SIX + 2 * MINUTE, { temperature: 2, humidity: 50 }, { temperature: "late", humidity: "late" }),
      reading(SIX + 3 * MINUTE, { temperature: 3, humidity: 50 }),
      reading(SIX + HOUR, { temperature: 4, door: true }, { temperature: "stuck|gap", door: "gap" }),
      reading(SIX, { temperature: 0 }, { temperature: "range" }, "d2"),
    ]);
    expect(await queries().hours("acme", "d1", { metrics, from: SIX + MINUTE, to: SIX + 3 * HOUR })).toEqual([
      {
        hour: SIX,
        values: 8,
        flagged: [
          { flag: "range", count: 1 },
          { flag: "spike", count: 1 },
          { flag: "late", count: 2 },
        ],
        score: 7 / 8,
      },
      {
        hour: SIX + HOUR,
        values: 2,
        flagged: [
          { flag: "stuck", count: 1 },
          { flag: "gap", count: 2 },
        ],
        score: 1 / 2,
      },
    ]);
    expect(await queries().hours("other", "d1", { metrics, from: SIX, to: SIX + HOUR })).toEqual([]);
  });

  it("counts what is missing, where it is known how often the device reports", async () => {
    const every = 15 * MINUTE;
    await store([0, 1, 2, 3].map((index) => reading(SIX + index * every, { temperature: index }, undefined, "d3")));
    await store([reading(SIX + 2 * HOUR, { temperature: 1 }, undefined, "d3")]);
    const query = { metrics, reportEvery: 900, from: SIX, to: SIX + 3 * HOUR };
    const expected = [
      { hour: SIX, values: 4, flagged: [], expected: 4, score: 1 },
      { hour: SIX + HOUR, values: 0, flagged: [], expected: 4, score: 0 },
      { hour: SIX + 2 * HOUR, values: 1, flagged: [], expected: 4, score: 1 / 4 },
    ];
    expect(await queries().hours("acme", "d3", query)).toEqual(expected);
    // Of an hour that is not over, only what could have come by now is missing.
    const early = createQualityQueries(influx.influx, () => SIX + 2 * HOUR + 30 * MINUTE);
    expect(await early.hours("acme", "d3", query)).toEqual([
      ...expected.slice(0, 2),
      { hour: SIX + 2 * HOUR, values: 1, flagged: [], expected: 2, score: 1 / 2 },
    ]);
  });

  it("is asked for a month at most", async () => {
    await expect(queries().hours("acme", "d1", { metrics, from: SIX, to: SIX + 32 * 24 * HOUR })).rejects.toMatchObject(
      {
        code: "PAGE_TOO_LARGE",
      },
    );
  });
});
