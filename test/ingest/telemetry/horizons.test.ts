import { afterAll, beforeAll, expect, test } from "vitest";
import { createHorizons, createTelemetryQueries } from "../../../src/ingest/index.js";
import { segmentsOf } from "../../../src/ingest/telemetry/sources.js";
import { influxUnderTest } from "../support.js";
import type { InfluxUnderTest } from "../support.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const begin = Math.floor(Date.now() / DAY) * DAY - 10 * DAY;
let influx: InfluxUnderTest;
beforeAll(async () => {
  influx = await influxUnderTest();
}, 60_000);
afterAll(() => influx.stop());

/** Marks that can be had until JetStream goes away. */
function marksThatGo(swept: Record<string, number> = {}, owed: readonly { from: number; to: number }[] = []) {
  const closed = { MINUTE: begin + 8 * DAY, HOUR: begin + 8 * DAY, DAY: begin + 8 * DAY };
  let isAway = false;
  const answer = async <T>(value: T): Promise<T> => {
    if (isAway) throw new Error("no responders");
    return value;
  };
  const marks = { closed: () => answer(closed), swept: () => answer(swept), owed: () => answer(owed) };
  return {
    horizons: createHorizons({ marks: () => answer(marks), rulesOf: async () => [], keptMs: 0 }),
    goAway: () => (isAway = true),
  };
}

test("while JetStream is away what it said last goes on", async () => {
  const { horizons, goAway } = marksThatGo({ RAW: begin + 5 * DAY });
  const range = { from: begin, to: begin + 9 * DAY };
  const before = segmentsOf(range, DAY, "t", await horizons("acme"));
  expect(before[0]).toEqual({ source: "DAY", from: begin, to: begin + 8 * DAY });
  goAway();
  expect(segmentsOf(range, DAY, "t", await horizons("acme"))).toEqual(before);
});

test("where it never said anything buckets are refused, and readings answered", async () => {
  const { horizons, goAway } = marksThatGo();
  goAway();
  const queries = createTelemetryQueries(influx.influx, horizons);
  const range = { metrics: ["t"], from: begin, to: begin + DAY };
  await expect(queries.series("acme", "d1", { ...range, resolution: HOUR })).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: expect.stringContaining("JetStream"),
  });
  await expect(queries.series("acme", "d1", { ...range, resolution: "auto" })).rejects.toMatchObject({
    code: "UNAVAILABLE",
  });
  expect(await queries.series("acme", "d1", range)).toEqual([expect.objectContaining({ source: "RAW", raw: [] })]);
});

test("what is owed comes from the readings, where there still are any, and cuts no window of a rollup", async () => {
  const owed = [
    { from: begin + DAY, to: begin + 2 * DAY },
    { from: begin + 5 * DAY + 7 * HOUR, to: begin + 5 * DAY + 8 * HOUR },
  ];
  const { horizons } = marksThatGo({ RAW: begin + 3 * DAY }, owed);
  const segments = segmentsOf({ from: begin, to: begin + 8 * DAY }, DAY, "t", await horizons("acme"));
  expect(segments).toEqual([
    // The first is older than any reading: its rollup is all there is.
    { source: "DAY", from: begin, to: begin + 5 * DAY },
    { source: "HOUR", from: begin + 5 * DAY, to: begin + 5 * DAY + 7 * HOUR },
    { source: "RAW", from: begin + 5 * DAY + 7 * HOUR, to: begin + 5 * DAY + 8 * HOUR },
    { source: "HOUR", from: begin + 5 * DAY + 8 * HOUR, to: begin + 6 * DAY },
    { source: "DAY", from: begin + 6 * DAY, to: begin + 8 * DAY },
  ]);
});
