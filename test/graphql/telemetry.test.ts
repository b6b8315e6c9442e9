import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tenantId } from "../../src/domain/ids.js";
import { waitFor } from "../support/wait-for.js";
import type { Api } from "./api.js";
import { startApi } from "./api.js";

let api: Api;
let token: string;
let tenant: string;
const start = Date.parse("2026-01-01T00:00:00.000Z");

/** As the writer lays them out: a field a metric, the tags of the device. */
async function write(device: string, lines: readonly (readonly [number, string])[]): Promise<void> {
  const url = api.river.engines.influxUrl;
  await fetch(`${url}/query?q=${encodeURIComponent('CREATE DATABASE "fleetlog"')}`, { method: "POST" });
  const body = lines.map(
    ([at, fields]) => `sensor_data,tenant_id=${tenant},device_id=${device},device_type=press ${fields} ${at}000000`,
  );
  const response = await fetch(`${url}/write?db=fleetlog`, { method: "POST", body: body.join("\n") });
  if (response.status !== 204) throw new Error(`InfluxDB answers ${response.status}: ${await response.text()}`);
}

beforeAll(async () => {
  api = await startApi({ influx: true });
  tenant = await api.river.createTenant();
  token = await api.token(tenant, "VIEWER");
  await api.river.registerDevice(tenantId(tenant), "press-1");
  await api.river.registerDevice(tenantId(tenant), "press-2");
  await waitFor(async () => (await api.must(token, "{ devices { totalCount } }")).devices.totalCount === 2);
  await write(
    "press-1",
    Array.from({ length: 120 }, (_, n) => [start + n * 1_000, `temperature=${20 + (n % 60)}`] as const),
  );
}, 180_000);
afterAll(() => api.stop());

const SERIES = `query ($metrics: [String!], $from: DateTime, $to: DateTime, $resolution: Int, $limit: Int, $maxPoints: Int, $first: Int, $after: String) {
  telemetry(deviceId: "press-1", metrics: $metrics, from: $from, to: $to, resolution: $resolution, limit: $limit, maxPoints: $maxPoints, first: $first, after: $after) {
    metric points { timestamp value mean min max count }
  }
}`;
const range = { from: new Date(start).toISOString(), to: new Date(start + 120_000).toISOString() };

describe("telemetry", () => {
  it("comes as it was measured, and the newest alone where only that is asked for", async () => {
    const { data, errors } = await api.ask(token, SERIES, { ...range, metrics: ["temperature"], limit: 10_000 });
    expect(errors).toEqual([]);
    expect(data.telemetry[0].points).toHaveLength(120);
    expect(data.telemetry[0].points[0]).toMatchObject({ timestamp: range.from, value: 20, mean: null });
    const latest = await api.ask(
      token,
      `{ latestTelemetry(deviceId: "press-1") { metric value timestamp } device(id: "press-1") { latestTelemetry { value } } }`,
    );
    expect(latest.data).toEqual({
      latestTelemetry: [{ metric: "temperature", value: 79, timestamp: new Date(start + 119_000).toISOString() }],
      device: { latestTelemetry: [{ value: 79 }] },
    });
  });

  it("comes in buckets of a resolution, for every metric where none is named", async () => {
    const { data } = await api.ask(token, SERIES, { ...range, resolution: 60 });
    expect(data.telemetry).toEqual([
      {
        metric: "temperature",
        points: [0, 60_000].map((at) => ({
          timestamp: new Date(start + at).toISOString(),
          value: null,
          mean: 49.5,
          min: 20,
          max: 79,
          count: 60,
        })),
      },
    ]);
  });

  it("is nothing for a silent device, and NOT_FOUND for one that is none", async () => {
    expect((await api.ask(token, `{ latestTelemetry(deviceId: "press-2") { metric } }`)).data.latestTelemetry).toEqual(
      [],
    );
    expect((await api.ask(token, `{ latestTelemetry(deviceId: "press-9") { metric } }`)).codes).toEqual(["NOT_FOUND"]);
  });

  it("says how a series was made, and what makes a value doubtful", async () => {
    const asked = `query ($first: Int, $after: String, $maxPoints: Int) {
      telemetry(deviceId: "press-2", from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z", metrics: ["level"], first: $first, after: $after, maxPoints: $maxPoints) {
        source resolution truncated endCursor points { timestamp value mean count quality }
      }
    }`;
    await write("press-2", [
      [start, "level=1"],
      [start + 1_000, `level=2,level:q="spike|late"`],
      [start + 2_000, "level=3"],
    ]);
    const page = (await api.must(token, asked, { first: 2 })).telemetry[0];
    expect(page).toMatchObject({ source: "RAW", resolution: null, truncated: true });
    expect(page.points.map((point: { value: number; quality: string[] }) => [point.value, point.quality])).toEqual([
      [1, []],
      [2, ["spike", "late"]],
    ]);
    const next = (await api.must(token, asked, { first: 2, after: page.endCursor })).telemetry[0];
    expect(next).toMatchObject({ truncated: false, points: [{ value: 3 }] });
    const few = (await api.must(token, asked, { maxPoints: 2 })).telemetry[0];
    expect(few).toMatchObject({ resolution: 43_200, truncated: false, points: [{ mean: 2, count: 3 }] });
    const latest = await api.must(token, `{ latestTelemetry(deviceId: "press-2") { value quality } }`);
    expect(latest.latestTelemetry).toEqual([{ value: 3, quality: [] }]);
  });

  it("is previewed before retention takes it, by administrators, in their own tenant", async () => {
    const preview = `query ($rules: [RetentionRuleInput!]!) {
      retentionPreview(rules: $rules) { rule { resolution metric days } points oldest deletedBefore }
    }`;
    const rules = [{ resolution: "RAW", metric: "temperature", days: 1 }];
    const admin = await api.token(tenant);
    expect((await api.must(admin, preview, { rules })).retentionPreview).toEqual([
      { rule: rules[0], points: 120, oldest: range.from, deletedBefore: null },
    ]);
    const stranger = await api.token(await api.river.createTenant());
    expect((await api.must(stranger, preview, { rules })).retentionPreview[0].points).toBe(0);
    expect((await api.ask(token, preview, { rules })).codes).toEqual(["FORBIDDEN"]);
    expect((await api.ask(admin, preview, { rules: [...rules, ...rules] })).codes).toEqual(["INVALID_VALUE"]);
  });

  it.each([
    ["too many points", { limit: 10_001 }, "PAGE_TOO_LARGE"],
    ["no points", { limit: 0 }, "PAGE_TOO_LARGE"],
    ["no width", { resolution: 0 }, "BAD_REQUEST"],
    ["two ways at once", { maxPoints: 5, resolution: 5 }, "BAD_REQUEST"],
    ["more points than there may be", { maxPoints: 10_001 }, "PAGE_TOO_LARGE"],
    ["a cursor without a page", { after: "x" }, "BAD_REQUEST"],
    ["a cursor that is none", { after: "x", first: 5 }, "BAD_REQUEST"],
    ["no metric", { metrics: [] }, "BAD_REQUEST"],
    ["a metric that is InfluxQL", { metrics: [`x" FROM sensor_data; DROP DATABASE "fleetlog"; --`] }, "BAD_REQUEST"],
    ["a range that ends before it begins", { from: range.to, to: range.from }, "BAD_REQUEST"],
  ])("is refused for %s", async (_what, variables, code) => {
    expect((await api.ask(token, SERIES, variables)).codes).toEqual([code]);
  });
});
