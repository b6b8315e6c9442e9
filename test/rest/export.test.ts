import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tenantId } from "../../src/domain/ids.js";
import type { Api } from "../graphql/api.js";
import { SECRET, startApi } from "../graphql/api.js";
import { run } from "../cli/run-cli.js";
import { waitFor } from "../support/wait-for.js";

let api: Api;
let token: string;
let tenant: string;
const start = Date.parse("2026-01-01T00:00:00.000Z");
const POINTS = 20_000;
const range = `from=2026-01-01&to=2026-01-02`;

async function write(lines: readonly string[]): Promise<void> {
  const url = api.river.engines.influxUrl;
  const response = await fetch(`${url}/write?db=fleetlog`, { method: "POST", body: lines.join("\n") });
  if (response.status !== 204) throw new Error(`InfluxDB answers ${response.status}: ${await response.text()}`);
}

beforeAll(async () => {
  api = await startApi({ influx: true });
  tenant = await api.river.createTenant();
  token = await api.token(tenant, "VIEWER");
  for (const device of ["press-1", "press-2", "press-3"]) await api.river.registerDevice(tenantId(tenant), device);
  await waitFor(async () => (await api.must(token, "{ devices { totalCount } }")).devices.totalCount === 3);
  const series = `sensor_data,tenant_id=${tenant},device_type=press,device_id`;
  await write([
    `${series}=press-1 t=20.5,note:s="a \\"b\\", c\nd",on:b=true ${start}000123`,
    `${series}=press-1 t=21,t:q="spike|late" ${start + 1_000}000000`,
    `${series}=press-2 t=-1 ${start + 500}000000`,
    `sensor_data,tenant_id=other,device_type=press,device_id=press-1 t=99 ${start}000000`,
  ]);
  await write(Array.from({ length: POINTS }, (_, n) => `${series}=press-3 t=${n % 100} ${start + n * 1_000}000000`));
}, 180_000);
afterAll(() => api.stop());

function get(query: string, { bearer = token, of = tenant, headers = {} } = {}): Promise<Response> {
  return fetch(`${api.url}/v1/export/${of}/telemetry?${query}`, {
    headers: { authorization: `Bearer ${bearer}`, ...headers },
  });
}

describe("an export", () => {
  test("is CSV that any reader takes", async () => {
    const response = await get(`device=press-1,press-2&${range}`, { headers: { "accept-encoding": "identity" } });
    expect(response.headers.get("content-type")).toBe("text/csv; charset=utf-8; header=present");
    expect(await response.text()).toBe(
      [
        "time,device,metric,value,quality",
        `2026-01-01T00:00:00.000Z,press-1,note,"a ""b"", c\nd",`,
        "2026-01-01T00:00:00.000Z,press-1,on,true,",
        "2026-01-01T00:00:00.000Z,press-1,t,20.5,",
        "2026-01-01T00:00:01.000Z,press-1,t,21,spike|late",
        "2026-01-01T00:00:00.500Z,press-2,t,-1,",
        "",
      ].join("\r\n"),
    );
  });

  test("is JSON lines where that is asked for, of buckets where a resolution is", async () => {
    const response = await get(`device=press-3&metrics=t&${range}&resolution=21600&format=jsonl`);
    const rows = (await response.text()).split("\n").filter((line) => line !== "");
    expect(rows.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        time: new Date(start).toISOString(),
        device: "press-3",
        metric: "t",
        mean: 49.5,
        min: 0,
        max: 99,
        count: POINTS,
      },
    ]);
  });

  test("comes compressed to who takes it so", async () => {
    const response = await get(`device=press-3&${range}`, { headers: { "accept-encoding": "gzip" } });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    const lines = (await response.text()).trimEnd().split("\r\n");
    expect(lines).toHaveLength(POINTS + 1);
    expect(lines.at(-1)).toBe(`${new Date(start + (POINTS - 1) * 1_000).toISOString()},press-3,t,99,`);
    const plain = await get(`device=press-3&${range}`, { headers: { "accept-encoding": "gzip;q=0" } });
    expect(plain.headers.get("content-encoding")).toBeNull();
    await plain.body?.cancel();
  });

  test("is of one's own tenant alone", async () => {
    const other = await api.river.createTenant();
    const stranger = await api.token(other, "ADMIN");
    const refusals = await Promise.all([
      get(`device=press-1&${range}`, { bearer: stranger }),
      get(`device=press-1&${range}`, { bearer: await api.platformToken() }),
      get(`device=press-1&${range}`, { bearer: "none" }),
      get(`device=press-1&${range}`, { bearer: stranger, of: other }),
    ]);
    expect(refusals.map(({ status }) => status)).toEqual([403, 403, 401, 404]);
  });

  test.each([
    ["", "which device"],
    ["device=press-1&from=5", "ISO 8601"],
    ["device=press-1&from=2026-01-02&to=2026-01-01", "before to"],
    ["device=press-1&metrics=a%22b", "metrics"],
    ["device=press-1&resolution=0", "resolution"],
    ["device=press-1&format=xml", "csv or jsonl"],
    ["device=press-1&metric=t", "metrics"],
  ])("of %s is refused with what is wrong", async (query, message) => {
    const response = await get(query);
    const { error } = (await response.json()) as {
      readonly error: { readonly code: string; readonly message: string };
    };
    expect([response.status, error.code]).toEqual([400, "BAD_REQUEST"]);
    expect(error.message).toContain(message);
  });

  test("is given up once its reader has left", async () => {
    const asked: number[] = [];
    const leaving = request(
      `${api.url}/v1/export/${tenant}/telemetry?device=press-3,press-3&${range}`,
      { headers: { authorization: `Bearer ${token}` } },
      (response) => {
        // Takes nothing beyond the first bytes.
        response.once("data", (bytes: Buffer) => {
          response.pause();
          asked.push(bytes.length);
        });
      },
    );
    leaving.on("error", () => undefined);
    leaving.end();
    await waitFor(() => asked.length > 0);
    leaving.destroy();
    // Four at once are the most: were this one still counted, the fourth of these would be refused.
    await waitFor(async () => {
      const four = await Promise.all([1, 2, 3, 4].map(() => get(`device=press-1&${range}`)));
      await Promise.all(four.map((response) => response.text()));
      return four.every(({ status }) => status === 200);
    });
    expect(asked[0]).toBeGreaterThan(0);
  });

  test("comes out of the command line as it is", async () => {
    const environment = { FLEETLOG_URL: api.url, FLEETLOG_TOKEN_SECRET: SECRET, FLEETLOG_TENANT: tenant };
    const args = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"];
    const { code, stdout } = await run(["telemetry", "export", "press-2", ...args], environment);
    expect([code, stdout]).toEqual([
      0,
      "time,device,metric,value,quality\r\n2026-01-01T00:00:00.500Z,press-2,t,-1,\r\n",
    ]);
    const refused = await run(["telemetry", "export", "press-9", ...args], environment);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("NOT_FOUND") as string });
  });
});
