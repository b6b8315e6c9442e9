/** Calibration, units, quality, limits and usage through the whole platform: set over GraphQL, felt by devices, told to people. */
import mqtt from "mqtt";
import { connect } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Fleet, Fleetlog } from "../support/fleetlog.js";
import { createFleet, startFleetlog } from "../support/fleetlog.js";
import { waitFor } from "../support/wait-for.js";

let fleetlog: Fleetlog;
let fleet: Fleet;
/** On the second, and old enough that all that follows is in the past; young enough to be no late data. */
const start = Math.floor((Date.now() - 30_000) / 1_000) * 1_000;

beforeAll(async () => {
  fleetlog = await startFleetlog();
  fleet = await createFleet(fleetlog, 2);
  await fleetlog.graphql(
    fleet.admin,
    `mutation ($type: DefineDeviceTypeInput!, $calibration: SetDeviceCalibrationInput!) {
      defineDeviceType(input: $type) { shown }
      setDeviceCalibration(input: $calibration) { shown }
    }`,
    {
      type: {
        deviceType: "press",
        reportEvery: 1,
        metrics: [{ name: "temperature", unit: "Cel", min: -40, max: 150, quality: { expectedMax: 90, maxRate: 20 } }],
      },
      calibration: { deviceId: "device-0", calibration: [{ metric: "temperature", offset: -0.5, scale: 2 }] },
    },
  );
}, 180_000);
afterAll(() => fleetlog.dispose());

function device(n: number) {
  const found = fleet.devices[n];
  if (found === undefined) throw new Error(`there is no device ${n}`);
  return found;
}

/** In SenML. */
function pack(unit: string, value: number) {
  return [{ n: "temperature", u: unit, v: value, t: start / 1_000 }];
}

async function post(n: number, body: unknown, type = "application/json"): Promise<Response> {
  const { deviceId, key } = device(n);
  return fetch(`${fleetlog.httpUrl}/v1/${fleet.tenant}/${deviceId}/telemetry`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": type },
    body: JSON.stringify(body),
  });
}

it("makes of raw values what people and integrators are told, doubts included", async () => {
  const { deviceId, key } = device(0);
  const nats = await connect({ servers: fleetlog.natsUrl });
  const heard: unknown[] = [];
  nats.subscribe(`fleetlog.${fleet.tenant}.telemetry.${deviceId}`, {
    callback: (_error, message) => heard.push(message.json()),
  });
  await nats.flush();
  const name = `${fleet.tenant}/${deviceId}`;
  const client = await mqtt.connectAsync(fleetlog.mqttUrl, { username: name, password: key, clientId: name });
  const topic = `v1/${name}/telemetry`;
  for (const [second, temperature] of [
    [0, 10],
    [1, 60],
    [5, 12],
  ] as const) {
    const reading = { ts: start + second * 1_000, values: { temperature } };
    await client.publishAsync(topic, JSON.stringify(reading), { qos: 1 });
  }
  await client.endAsync();
  await waitFor(() => heard.length >= 3, { what: "the readings at the integrator's" });
  await nats.close();
  expect(heard.slice(0, 3)).toEqual([
    expect.objectContaining({ values: { temperature: 19.5 } }),
    expect.objectContaining({ values: { temperature: 119.5 }, quality: { temperature: "range|spike" } }),
    expect.objectContaining({ values: { temperature: 23.5 }, quality: { temperature: "gap" } }),
  ]);
  const told = await waitFor(async () => {
    const answer = await fleetlog.graphql<{
      readonly telemetry: readonly { readonly points: readonly unknown[] }[];
      readonly deviceQuality: readonly { readonly values: number; readonly flagged: readonly unknown[] }[];
    }>(
      fleet.admin,
      `query ($id: ID!, $from: DateTime!) {
        telemetry(deviceId: $id, metrics: ["temperature"], from: $from) { points { value quality } }
        deviceQuality(deviceId: $id, from: $from) { values flagged { flag count } expected score }
      }`,
      { id: deviceId, from: new Date(start).toISOString() },
    );
    return answer.telemetry[0]?.points.length === 3 ? answer : undefined;
  });
  expect(told.telemetry[0]?.points).toEqual([
    { value: 19.5, quality: [] },
    { value: 119.5, quality: ["range", "spike"] },
    { value: 23.5, quality: ["gap"] },
  ]);
  const flags = told.deviceQuality.flatMap(({ flagged }) => flagged);
  expect(flags).toEqual(
    expect.arrayContaining([
      { flag: "range", count: 1 },
      { flag: "spike", count: 1 },
      { flag: "gap", count: 1 },
    ]),
  );
});

it("converts units, and refuses those of another kind by name", async () => {
  expect((await post(1, pack("K", 300), "application/senml+json")).status).toBe(202);
  const refused = await post(1, pack("%RH", 300), "application/senml+json");
  expect(refused.status).toBe(422);
  expect(await refused.json()).toMatchObject({
    error: { code: "INVALID_VALUE", message: expect.stringContaining("%") },
  });
  const value = await waitFor(async () => {
    const query = `{ latestTelemetry(deviceId: "device-1") { value } }`;
    const answer = await fleetlog.graphql<{ readonly latestTelemetry: readonly { readonly value: unknown }[] }>(
      fleet.admin,
      query,
    );
    return answer.latestTelemetry[0]?.value as number | undefined;
  });
  expect(value).toBe(26.85);
});

it("holds devices to their tenant's limits once they are changed, and tells the tenant what it used", async () => {
  const platform = await fleetlog.token("*");
  await fleetlog.graphql(
    platform,
    `mutation ($input: SetTenantLimitsInput!) { setTenantLimits(input: $input) { shown } }`,
    {
      input: { tenantId: fleet.tenant, limits: { device: { messages: { perSecond: 0.001, burst: 1 } } } },
    },
  );
  // One message more may pass: what was used of the old burst counts, and was made good by now.
  const limited = await waitFor(async () => {
    const answer = await post(1, { temperature: 20 });
    return answer.status === 202 ? undefined : answer;
  });
  expect(limited.status).toBe(429);
  expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await limited.json()).toMatchObject({
    error: {
      code: "LIMIT_EXCEEDED",
      message: expect.stringContaining("the limit of device device-1 is reached (0.001 messages a second, 1 at once)"),
    },
  });
  const used = await waitFor(async () => {
    const answer = await fleetlog.graphql<{
      readonly usage: readonly {
        readonly messages: number;
        readonly readings: number;
        readonly waits: number;
        readonly refusals: number;
      }[];
    }>(fleet.admin, "{ usage { messages readings waits refusals peakConnections } }");
    const sum = { messages: 0, readings: 0, waits: 0, refusals: 0 };
    for (const hour of answer.usage) {
      for (const count of ["messages", "readings", "waits", "refusals"] as const) sum[count] += hour[count];
    }
    // One of all was refused; what is still on its way is waited for.
    return sum.waits > 0 && sum.readings >= 5 && sum.readings === sum.messages - 1 ? sum : undefined;
  });
  // Three over MQTT, two in SenML of which one is refused, and those until the limit held.
  expect(used.messages).toBeGreaterThanOrEqual(6);
  expect(used.refusals).toBe(1);
});
