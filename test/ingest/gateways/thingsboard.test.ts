import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { deviceId } from "../../../src/domain/ids.js";
import { createHash } from "node:crypto";
import { credentialId } from "../../../src/domain/ids.js";
import type { DeviceDocument } from "../../../src/projections/device/document.js";
import { needPackage } from "../../support/debian.js";
import { waitFor } from "../../support/wait-for.js";
import { rejectionsOf } from "../support.js";
import { heardBy, siteUnderTest } from "./river.js";
import type { Heard, Site } from "./river.js";

const run = promisify(execFile);
const mosquittoPub = await needPackage("mosquitto-clients", "mosquitto_pub");

/** Every device has a key of its own: the key alone says who it is. */
function tokenOf(device: string): string {
  return `access-token-of-${device}`;
}

function credentialsOf(device: string): DeviceDocument["credentials"] {
  return [
    {
      credentialId: credentialId("00000000-0000-4000-8000-000000000002"),
      type: "API_KEY",
      hash: createHash("sha256").update(tokenOf(device)).digest("hex"),
      issuedAt: new Date(0).toISOString(),
    },
  ];
}

let site: Site;

beforeAll(async () => {
  site = await siteUnderTest();
  await site.change("meter", { credentials: credentialsOf("meter") });
  await site.change("gw1", { credentials: credentialsOf("gw1") });
});
afterAll(() => site.stop());
beforeEach(() => {
  site.readings.length = 0;
  site.presences.length = 0;
});

/** As ThingsBoard's clients log in: the token as the user name, and no password. */
function connect(device: string, protocolVersion: 4 | 5 = 4): Promise<MqttClient> {
  const { username, password } = { username: tokenOf(device), password: undefined };
  return site.under.connect({ username, password: password as unknown as string, protocolVersion, clientId: "" });
}

function json(heard: readonly Heard[]): readonly (readonly [string, unknown])[] {
  return heard.map(({ topic, payload }) => [topic, JSON.parse(payload.toString()) as unknown]);
}

describe("a device of ThingsBoard's", () => {
  test("logs in with its access token alone and uploads telemetry in all of its forms", async () => {
    const client = await connect("meter");
    const ts = Date.now() - 60_000;
    for (const message of [
      { kwh: 1 },
      [{ kwh: 2 }, { volt: 3 }],
      { ts, values: { kwh: 4 } },
      [{ ts, values: { kwh: 5 } }],
    ]) {
      await client.publishAsync("v1/devices/me/telemetry", JSON.stringify(message), { qos: 1 });
    }
    expect(await site.valuesOf("meter", 5)).toEqual([{ kwh: 1 }, { kwh: 2 }, { volt: 3 }, { kwh: 4 }, { kwh: 5 }]);
    expect(site.readings[3]).toMatchObject({ tenantId: "acme", timestamp: ts });
  });

  test.skipIf(mosquittoPub === undefined)("mosquitto_pub -u TOKEN -t v1/devices/me/telemetry", async () => {
    const port = String(site.under.gateway.port);
    for (const version of ["mqttv311", "mqttv5"]) {
      await run(mosquittoPub ?? "", [
        "-h",
        "127.0.0.1",
        "-p",
        port,
        "-V",
        version,
        "-q",
        "1",
        "-u",
        tokenOf("meter"),
        "-t",
        "v1/devices/me/telemetry",
        "-m",
        '{"temperature":25}',
      ]);
    }
    expect(await site.valuesOf("meter", 2)).toEqual([{ temperature: 25 }, { temperature: 25 }]);
  });

  test.each([
    ["a token that nobody has", "access-token-of-nobody"],
    ["none", ""],
    ["words", "no/t a token"],
  ])("%s does not log in", async (_what, username) => {
    const attempt = site.under.connect({ username, password: undefined as unknown as string, protocolVersion: 4 });
    await expect(attempt).rejects.toThrow(/user ?name or password|Not authorized/iu);
  });

  test("client attributes are a health report", async () => {
    const reports: unknown[] = [];
    const subscription = site.nats.nc.subscribe("fleetlog-reports.health.acme.meter", {
      callback: (_error, message) => reports.push(message.json()),
    });
    const client = await connect("meter");
    await client.publishAsync("v1/devices/me/attributes", '{"firmwareVersion":"1.2","serial":"x"}', { qos: 1 });
    await waitFor(() => reports.length === 1);
    subscription.unsubscribe();
    expect(reports).toMatchObject([{ firmwareVersion: "1.2", serial: "x" }]);
  });

  test("asks for shared attributes, and is told of changes: they are its configuration", async () => {
    await site.change("meter", {
      configuration: { version: 3, config: { rate: 10, mode: "eco", door: { open: true } } },
    });
    const client = await connect("meter");
    const heard = heardBy(client);
    await client.subscribeAsync("v1/devices/me/attributes/response/+", { qos: 1 });
    await client.publishAsync(
      "v1/devices/me/attributes/request/1",
      '{"clientKeys":"a,b","sharedKeys":"rate,door,other"}',
      { qos: 1 },
    );
    await client.publishAsync("v1/devices/me/attributes/request/2", "{}", { qos: 1 });
    await waitFor(() => heard.length === 2);
    expect(json(heard)).toEqual([
      ["v1/devices/me/attributes/response/1", { client: {}, shared: { rate: 10, door: { open: true } } }],
      ["v1/devices/me/attributes/response/2", { shared: { rate: 10, mode: "eco", door: { open: true } } }],
    ]);
    await client.subscribeAsync("v1/devices/me/attributes", { qos: 1 });
    await site.change("meter", { configuration: { version: 4, config: { rate: 20 } } });
    await waitFor(() => heard.length === 4);
    expect(json(heard.slice(2))).toEqual([
      ["v1/devices/me/attributes", { rate: 10, mode: "eco", door: { open: true } }],
      ["v1/devices/me/attributes", { rate: 20 }],
    ]);
  });

  test("is told that RPC is not built", async () => {
    const client = await connect("meter", 5);
    await client.subscribeAsync("v1/devices/me/rpc/request/+", { qos: 1 });
    await expect(client.publishAsync("v1/devices/me/rpc/request/1", "{}", { qos: 1 })).rejects.toThrow("error");
    const kept = await rejectionsOf(site.nats.nc, "acme", "meter");
    expect(kept.at(-1)).toMatchObject({
      reason: expect.stringContaining("RPC and claiming, which are not built yet") as unknown,
    });
  });
});

describe("a gateway of ThingsBoard's", () => {
  test("connects devices by their names and uploads for several at once", async () => {
    const client = await connect("gw1");
    await client.publishAsync("v1/gateway/connect", '{"device":"Pump 1","type":"pump"}', { qos: 1 });
    await waitFor(() => site.presences.some(({ device, online }) => device === "pump1" && online));
    const ts = Date.now() - 5_000;
    const message = {
      "Pump 1": [
        { ts, values: { rpm: 1 } },
        { ts: ts + 1, values: { rpm: 2 } },
      ],
      pump2: [{ ts, values: { rpm: 3 } }],
    };
    await client.publishAsync("v1/gateway/telemetry", JSON.stringify(message), { qos: 1 });
    expect(await site.valuesOf("pump1", 2)).toEqual([{ rpm: 1 }, { rpm: 2 }]);
    expect(await site.valuesOf("pump2", 1)).toEqual([{ rpm: 3 }]);
    await client.publishAsync("v1/gateway/disconnect", '{"device":"Pump 1"}', { qos: 1 });
    await waitFor(() => site.presences.some(({ device, online }) => device === "pump1" && !online));
    await client.endAsync();
    await waitFor(() => site.presences.some(({ device, online }) => device === "pump2" && !online));
  });

  test("one device that is not its own is refused by name; the others are stored before the answer", async () => {
    const client = await connect("gw1", 5);
    const message = { "Pump 1": [{ rpm: 1 }], Stranger: [{ rpm: 2 }], "Pump 2": [{ rpm: "fast", ts: 1 }] };
    const refused = client.publishAsync("v1/gateway/telemetry", JSON.stringify(message), { qos: 1 });
    await expect(refused).rejects.toThrow("error");
    expect(await site.valuesOf("pump1", 1)).toEqual([{ rpm: 1 }]);
    expect(await site.valuesOf("pump2", 1)).toEqual([{ rpm: "fast", ts: 1 }]);
    const kept = await rejectionsOf(site.nats.nc, "acme", "gw1");
    expect(kept.at(-1)).toMatchObject({
      code: "FORBIDDEN",
      reason: expect.stringContaining('"Stranger" is no device') as unknown,
    });
  });

  test("what a device of it may not say is refused under that device, with the place", async () => {
    const client = await connect("gw1", 5);
    const message = { "Pump 1": [{ ts: 5_000_000_000_000, values: { rpm: 1 } }] };
    await expect(client.publishAsync("v1/gateway/telemetry", JSON.stringify(message), { qos: 1 })).rejects.toThrow(
      "error",
    );
    const kept = await rejectionsOf(site.nats.nc, "acme", "pump1");
    expect(kept.at(-1)).toMatchObject({
      code: "INVALID_TIMESTAMP",
      reason: expect.stringMatching(/^"Pump 1"\[0\]\.ts: /u) as unknown,
      form: { as: "measurements" },
    });
  });

  test("asks for its devices' attributes, and is told of changes", async () => {
    await site.change("pump1", {
      gateway: deviceId("gw1"),
      configuration: { version: 1, config: { rate: 1, mode: "a" } },
    });
    const client = await connect("gw1");
    const heard = heardBy(client);
    await client.subscribeAsync("v1/gateway/attributes/response", { qos: 1 });
    await client.publishAsync(
      "v1/gateway/attributes/request",
      '{"id":1,"device":"Pump 1","client":false,"key":"rate"}',
      { qos: 1 },
    );
    await client.publishAsync(
      "v1/gateway/attributes/request",
      '{"id":2,"device":"Pump 1","client":false,"keys":["rate","mode"]}',
      { qos: 1 },
    );
    await waitFor(() => heard.length === 2);
    await client.subscribeAsync("v1/gateway/attributes", { qos: 1 });
    await waitFor(() => heard.length === 3);
    await site.change("pump1", { configuration: { version: 2, config: { rate: 2 } } });
    await waitFor(() => heard.length === 4);
    expect(json(heard)).toEqual([
      ["v1/gateway/attributes/response", { id: 1, device: "Pump 1", value: 1 }],
      ["v1/gateway/attributes/response", { id: 2, device: "Pump 1", values: { rate: 1, mode: "a" } }],
      ["v1/gateway/attributes", { device: "Pump 1", data: { rate: 1, mode: "a" } }],
      ["v1/gateway/attributes", { device: "Pump 1", data: { rate: 2 } }],
    ]);
  });

  test("its devices' attributes are their health reports", async () => {
    const reports: string[] = [];
    const subscription = site.nats.nc.subscribe("fleetlog-reports.health.acme.*", {
      callback: (_error, message) => reports.push(`${message.subject} ${message.string()}`),
    });
    const client = await connect("gw1");
    await client.publishAsync("v1/gateway/attributes", '{"Pump 1":{"serial":"a"},"Pump 2":{"serial":"b"}}', { qos: 1 });
    await waitFor(() => reports.length === 2);
    subscription.unsubscribe();
    expect(reports).toEqual([
      expect.stringMatching(/health\.acme\.pump1 .*"serial":"a"/u),
      expect.stringMatching(/health\.acme\.pump2 .*"serial":"b"/u),
    ]);
  });
});
