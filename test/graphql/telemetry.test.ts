import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tenantId } from "../../src/domain/ids.js";
import { waitFor } from "../support/wait-for.js";
import type { Api } from "./api.js";
import { startApi } from "./api.js";

let api: Api;
let token: string;
const start = Date.parse("2026-01-01T00:00:00.000Z");

/** As the writer lays them out: a field a metric, the tags of the device. */
async function write(tenant: string, device: string, lines: readonly (readonly [number, string])[]): Promise<void> {
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
  const tenant = await api.river.createTenant();
  token = await api.token(tenant, "VIEWER");
  await api.river.registerDevice(tenantId(tenant), "press-1");
  await api.river.registerDevice(tenantId(tenant), "press-2");
  await waitFor(async () => (await api.must(token, "{ devices { totalCount } }")).devices.totalCount === 2);
  await write(
    tenant,
    "press-1",
    Array.from({ length: 120 }, (_, n) => [start + n * 1_000, `temperature=${20 + (n % 60)}`] as const),
  );
}, 180_000);
afterAll(() => api.stop());

const SERIES = `query ($metrics: [String!], $from: DateTime, $to: DateTime, $resolution: Int, $limit: Int) {
  telemetry(deviceId: "press-1", metrics: $metrics, from: $from, to: $to, resolution: $resolution, limit: $limit) {
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

  it.each([
    ["too many points", { limit: 10_001 }, "PAGE_TOO_LARGE"],
    ["no points", { limit: 0 }, "PAGE_TOO_LARGE"],
    ["no width", { resolution: 0 }, "BAD_REQUEST"],
    ["no metric", { metrics: [] }, "BAD_REQUEST"],
    ["a metric that is InfluxQL", { metrics: [`x" FROM sensor_data; DROP DATABASE "fleetlog"; --`] }, "BAD_REQUEST"],
    ["a range that ends before it begins", { from: range.to, to: range.from }, "BAD_REQUEST"],
  ])("is refused for %s", async (_what, variables, code) => {
    expect((await api.ask(token, SERIES, variables)).codes).toEqual([code]);
  });
});
