/** MQTT's ways into the whole platform: the gateway's ports and the API's paths are one door, with one set of sessions. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "mqtt";
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet, startFleetlog } from "../support/fleetlog.js";
import type { Fleet, Fleetlog } from "../support/fleetlog.js";
import { waitFor } from "../support/wait-for.js";

let fleetlog: Fleetlog;
let fleet: Fleet;

beforeAll(async () => {
  fleetlog = await startFleetlog();
  fleet = await createFleet(fleetlog, 1);
});
afterAll(() => fleetlog.dispose());

/** Logs in with a session that is kept; tries until it is let in. */
async function logIn(url: string): Promise<{ readonly client: MqttClient; readonly sessionPresent: boolean }> {
  const [device = { deviceId: "", key: "" }] = fleet.devices;
  const client = connect(url, {
    username: `${fleet.tenant}/${device.deviceId}`,
    password: device.key,
    ca: readFileSync(join(fleetlog.dataDir, "tls", "ca.pem")),
    protocolVersion: 5,
    clientId: "steady",
    clean: false,
    properties: { sessionExpiryInterval: 3_600 },
    reconnectPeriod: 200,
  });
  client.on("error", () => {});
  const sessionPresent = await new Promise<boolean>((resolve) => {
    client.once("connect", (connack) => resolve(connack.sessionPresent));
  });
  return { client, sessionPresent };
}

const ways = (): string[] => [
  fleetlog.mqttUrl,
  fleetlog.mqttsUrl,
  `${fleetlog.httpUrl.replace("http", "ws")}/mqtt`,
  `${fleetlog.httpsUrl.replace("https", "wss")}/mqtt`,
];

async function publishEverywhere(): Promise<boolean[]> {
  const [device = { deviceId: "" }] = fleet.devices;
  const present: boolean[] = [];
  for (const url of ways()) {
    const { client, sessionPresent } = await logIn(url);
    present.push(sessionPresent);
    await client.publishAsync(`v1/${fleet.tenant}/${device.deviceId}/telemetry`, '{"n":1}', { qos: 2 });
    await client.endAsync();
  }
  return present;
}

test("TCP, TLS and WebSocket lead to one session, through kill -9 of the processes that hold them", async () => {
  expect(await publishEverywhere()).toEqual([false, true, true, true]);
  const pids = (["gateway", "api"] as const).map((name) => [name, fleetlog.pid(name) ?? Number.NaN] as const);
  for (const [, pid] of pids) process.kill(pid, "SIGKILL");
  await waitFor(() => pids.every(([name, pid]) => ![undefined, pid].includes(fleetlog.pid(name))), {
    what: "the gateway and the API to be started again",
  });
  expect(await publishEverywhere()).toEqual([true, true, true, true]);
});

test("/readyz names the certificate and both doors", async () => {
  const names = await waitFor(async () => {
    const answer = await fetch(`${fleetlog.httpUrl}/readyz`).catch(() => undefined);
    const { parts = [] } = ((await answer?.json()) ?? {}) as { readonly parts?: readonly { readonly name: string }[] };
    const found = parts.map(({ name }) => name);
    return ["tls", "mqtt", "mqtt-websocket"].every((name) => found.includes(name)) ? found : undefined;
  });
  expect(names).toContain("tls");
});
