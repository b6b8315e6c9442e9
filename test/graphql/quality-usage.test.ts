/** A device's quality and a tenant's use, as the API tells them; how both are counted is tested where it is done. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tenantId } from "../../src/domain/ids.js";
import { usageCollection } from "../../src/ingest/limits/usage-document.js";
import { waitFor } from "../support/wait-for.js";
import type { Api } from "./api.js";
import { startApi } from "./api.js";

let api: Api;
let tenant: string;
let token: string;
const HOUR = 3_600_000;
const start = Date.parse("2026-01-01T22:00:00.000Z");
const at = (ms: number): string => new Date(start + ms).toISOString();

async function write(lines: readonly string[]): Promise<void> {
  const url = api.river.engines.influxUrl;
  await fetch(`${url}/query?q=${encodeURIComponent('CREATE DATABASE "fleetlog"')}`, { method: "POST" });
  const response = await fetch(`${url}/write?db=fleetlog`, { method: "POST", body: lines.join("\n") });
  if (response.status !== 204) throw new Error(`InfluxDB answers ${response.status}: ${await response.text()}`);
}

beforeAll(async () => {
  api = await startApi({ influx: true });
  tenant = await api.river.createTenant();
  token = await api.token(tenant, "VIEWER");
  await api.river.registerDevice(tenantId(tenant), "press-1");
  await waitFor(async () => (await api.must(token, "{ devices { totalCount } }")).devices.totalCount === 1);
}, 180_000);
afterAll(() => api.stop());

describe("deviceQuality", () => {
  const QUALITY = `query ($id: ID!, $from: DateTime, $to: DateTime) {
    deviceQuality(deviceId: $id, from: $from, to: $to) { hour values flagged { flag count } expected score }
  }`;

  it("scores each hour of a device, also of a type that nobody has defined", async () => {
    const series = `sensor_data,tenant_id=${tenant},device_id=press-1,device_type=press`;
    await write([
      `${series} temperature=1 ${start}000000`,
      `${series} temperature=2,temperature:q="spike|late" ${start + 1_000}000000`,
      `${series} temperature=3 ${start + HOUR}000000`,
    ]);
    const range = { id: "press-1", from: at(0), to: at(2 * HOUR) };
    const { data, errors } = await api.ask(token, QUALITY, range);
    expect(errors).toEqual([]);
    expect(data.deviceQuality).toEqual([
      {
        hour: at(0),
        values: 2,
        flagged: [
          { flag: "spike", count: 1 },
          { flag: "late", count: 1 },
        ],
        expected: null,
        score: 0.5,
      },
      { hour: at(HOUR), values: 1, flagged: [], expected: null, score: 1 },
    ]);
  });

  it("is of devices of one's own tenant, and of a span that runs forwards", async () => {
    const other = await api.token(await api.river.createTenant(), "ADMIN");
    expect((await api.ask(other, QUALITY, { id: "press-1" })).errors).toMatchObject([
      { extensions: { code: "NOT_FOUND" } },
    ]);
    const backwards = { id: "press-1", from: at(HOUR), to: at(0) };
    expect((await api.ask(token, QUALITY, backwards)).errors).toMatchObject([{ extensions: { code: "BAD_REQUEST" } }]);
  });
});

describe("usage", () => {
  const USAGE = `query ($from: DateTime, $to: DateTime, $resolution: UsageResolution! = HOUR) {
    usage(from: $from, to: $to, resolution: $resolution) { from messages bytes readings waits refusals peakConnections }
  }`;

  it("is what the tenant used, by the hour or by the day", async () => {
    const record = (tenantOf: string, hours: number, instance: string, peakConnections: number) => {
      const hour = at(hours * HOUR);
      const counts = { messages: 1, bytes: 5_000_000_000, readings: 3, waits: 4, refusals: 5, peakConnections };
      return { _id: `${tenantOf}/${hour}/${instance}`, tenantId: tenantOf, hour, keptAt: new Date(), ...counts };
    };
    await usageCollection(api.river.mongo.db).insertMany([
      record(tenant, 0, "a", 2),
      record(tenant, 0, "b", 1),
      record(tenant, 1, "a", 9),
      record(tenant, 2, "a", 1),
      record("somebody", 0, "a", 7),
    ]);
    const range = { from: at(0.5 * HOUR), to: at(3 * HOUR) };
    const hourly = await api.ask(token, USAGE, range);
    expect(hourly.errors).toEqual([]);
    expect(hourly.data.usage).toMatchObject([
      { from: at(0), messages: 2, bytes: 10_000_000_000, peakConnections: 3 },
      { from: at(HOUR), messages: 1, peakConnections: 9 },
      { from: at(2 * HOUR), messages: 1, peakConnections: 1 },
    ]);
    const daily = await api.ask(token, USAGE, { ...range, resolution: "DAY" });
    expect(daily.data.usage).toEqual([
      {
        from: "2026-01-01T00:00:00.000Z",
        messages: 3,
        bytes: 15_000_000_000,
        readings: 9,
        waits: 12,
        refusals: 15,
        peakConnections: 9,
      },
      {
        from: "2026-01-02T00:00:00.000Z",
        messages: 1,
        bytes: 5_000_000_000,
        readings: 3,
        waits: 4,
        refusals: 5,
        peakConnections: 1,
      },
    ]);
  });

  it("is asked for a month of hours at most", async () => {
    const { errors } = await api.ask(token, USAGE, { from: at(-40 * 24 * HOUR), to: at(0) });
    expect(errors).toMatchObject([{ extensions: { code: "PAGE_TOO_LARGE" } }]);
  });
});
