import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "graphql-ws";
import mqtt from "mqtt";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Fleet, Fleetlog } from "../support/fleetlog.js";
import { createFleet, startFleetlog } from "../support/fleetlog.js";
import { waitFor } from "../support/wait-for.js";

const run = promisify(execFile);
const hasMosquitto = await run("mosquitto_pub", ["--help"]).then(
  () => true,
  (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
);

let fleetlog: Fleetlog;
let fleet: Fleet;

beforeAll(async () => {
  fleetlog = await startFleetlog();
  fleet = await createFleet(fleetlog, 3);
});
afterAll(() => fleetlog.dispose());

function device(n: number) {
  const found = fleet.devices[n];
  if (found === undefined) throw new Error(`there is no device ${n}`);
  return {
    ...found,
    topic: (rest: string) => `v1/${fleet.tenant}/${found.deviceId}/${rest}`,
    username: `${fleet.tenant}/${found.deviceId}`,
  };
}

function connectDevice(n: number, protocolVersion: 4 | 5 = 5) {
  const { username, key } = device(n);
  return mqtt.connectAsync(fleetlog.mqttUrl, { username, password: key, protocolVersion, clientId: username });
}

async function latest(deviceId: string): Promise<Readonly<Record<string, unknown>>> {
  const query = `query($id: ID!) { latestTelemetry(deviceId: $id) { metric value } }`;
  const answer = await fleetlog.graphql<{
    readonly latestTelemetry: readonly { readonly metric: string; readonly value: unknown }[];
  }>(fleet.admin, query, { id: deviceId });
  return Object.fromEntries(answer.latestTelemetry.map(({ metric, value }) => [metric, value]));
}

describe("a reading", () => {
  it("goes from MQTT to a GraphQL query", async () => {
    const client = await connectDevice(0);
    await client.publishAsync(
      device(0).topic("telemetry"),
      JSON.stringify({ ts: Date.now(), values: { temperature: 21.5, state: "ok" } }),
      { qos: 1 },
    );
    await client.endAsync();
    const values = await waitFor(async () => {
      const found = await latest(device(0).deviceId);
      return found["temperature"] === undefined ? undefined : found;
    });
    expect(values).toEqual({ temperature: 21.5, state: "ok" });
  });

  it("goes from HTTP to an integrator on NATS", async () => {
    const nats = await connect({ servers: fleetlog.natsUrl });
    const { deviceId, key, topic } = device(1);
    const heard = nats.subscribe(`fleetlog.${fleet.tenant}.telemetry.${deviceId}`, { max: 1 });
    await nats.flush();
    const response = await fetch(`${fleetlog.httpUrl}/${topic("telemetry")}`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ pressure: 3 }),
    });
    expect(response.status).toBe(202);
    for await (const message of heard)
      expect(message.json()).toMatchObject({ values: { pressure: 3 }, deviceType: "press" });
    await nats.close();
  });

  it.runIf(hasMosquitto)("goes from mosquitto_pub, in both versions of MQTT", async () => {
    const { deviceId, key, topic, username } = device(2);
    const { port } = new URL(fleetlog.mqttUrl);
    for (const [version, value] of [
      ["mqttv311", 1],
      ["mqttv5", 2],
    ] as const) {
      await run("mosquitto_pub", [
        "-h",
        "127.0.0.1",
        "-p",
        port,
        "-V",
        version,
        "-q",
        "1",
        "-u",
        username,
        "-P",
        key,
        "-t",
        topic("telemetry"),
        "-m",
        JSON.stringify({ [version]: value }),
      ]);
    }
    const values = await waitFor(async () => {
      const found = await latest(deviceId);
      return Object.keys(found).length === 2 ? found : undefined;
    });
    expect(values).toEqual({ mqttv311: 1, mqttv5: 2 });
  });
});

describe("configuration", () => {
  it("goes down to the device, and its answer comes back", async () => {
    const client = await connectDevice(0);
    const desired = new Promise<{ readonly version: number; readonly config: unknown }>((resolve) => {
      client.on("message", (_topic, payload) =>
        resolve(JSON.parse(payload.toString()) as { readonly version: number; readonly config: unknown }),
      );
    });
    await client.subscribeAsync(device(0).topic("config/desired"), { qos: 1 });
    await fleetlog.graphql(
      fleet.admin,
      `mutation($id: ID!) { setDeviceConfiguration(input: {deviceId: $id, config: {interval: 5}}) { shown } }`,
      { id: device(0).deviceId },
    );
    expect(await desired).toEqual({ version: 1, config: { interval: 5 } });
    await client.publishAsync(device(0).topic("config/reported"), JSON.stringify({ version: 1, status: "applied" }), {
      qos: 1,
    });
    const query = `query($id: ID!) { device(id: $id) { configuration { status reported { version status } } } }`;
    const status = await waitFor(async () => {
      const answer = await fleetlog.graphql<{
        readonly device: { readonly configuration: { readonly status: string } };
      }>(fleet.admin, query, { id: device(0).deviceId });
      return answer.device.configuration.status === "APPLIED" ? answer.device.configuration : undefined;
    });
    expect(status).toEqual({ status: "APPLIED", reported: { version: 1, status: "APPLIED" } });
    await client.endAsync();
  });
});

describe("an alert", () => {
  it("rises from a reading to a GraphQL subscriber and the integrators' subject, is acknowledged, resolves, and stands in the history", async () => {
    const { deviceId, topic } = device(0);
    const { createAlertRule } = await fleetlog.graphql<{
      readonly createAlertRule: { readonly alertRule: { readonly ruleId: string } };
    }>(
      fleet.admin,
      `mutation($id: ID!) { createAlertRule(input: {name: "hot", severity: CRITICAL, filter: {deviceIds: [$id]}, condition: {metric: "temperature", operator: GT, threshold: 90, clearThreshold: 80}}) { alertRule { ruleId } } }`,
      { id: deviceId },
    );
    const { ruleId } = createAlertRule.alertRule;
    const nats = await connect({ servers: fleetlog.natsUrl });
    const published: string[] = [];
    nats.subscribe(`fleetlog.${fleet.tenant}.alerts.>`, {
      callback: (_error, message) =>
        void published.push(`${message.subject} ${message.json<{ readonly status: string }>().status}`),
    });
    await nats.flush();
    const subscriber = createClient({
      url: `${fleetlog.httpUrl.replace("http", "ws")}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${fleet.admin}` },
    });
    const seen: { readonly alertId: string; readonly status: string; readonly value: number }[] = [];
    const subscribed = (async () => {
      for await (const { data } of subscriber.iterate<{ readonly alertChanged: (typeof seen)[number] }>({
        query: "subscription { alertChanged { alertId status value } }",
      })) {
        if (data?.alertChanged !== undefined) seen.push(data.alertChanged);
      }
    })();

    const client = await connectDevice(0);
    const send = (temperature: number) =>
      client.publishAsync(topic("telemetry"), JSON.stringify({ temperature }), { qos: 1 });
    // The rule is in force within two seconds: readings go on until the alert is there, as a device's do.
    await waitFor(
      async () => {
        await send(95);
        return seen.length > 0;
      },
      { what: "the alert to reach the subscriber", everyMs: 200 },
    );
    const alertId = seen[0]?.alertId ?? "";
    expect(seen[0]).toMatchObject({ status: "ACTIVE", value: 95 });

    await fleetlog.graphql(
      fleet.admin,
      `mutation($id: ID!) { acknowledgeAlert(input: {alertId: $id, note: "on my way"}) { alert { status } } }`,
      { id: alertId },
    );
    await send(85);
    await send(75);
    await waitFor(() => seen.some(({ status }) => status === "RESOLVED"), { what: "the alert to resolve" });
    expect(seen.map(({ status }) => status)).toEqual(["ACTIVE", "ACKNOWLEDGED", "RESOLVED"]);
    const subject = `fleetlog.${fleet.tenant}.alerts.CRITICAL.${deviceId}`;
    await waitFor(() => published.length === 3, { what: "the integrators' notes" });
    expect(published).toEqual([`${subject} ACTIVE`, `${subject} ACKNOWLEDGED`, `${subject} RESOLVED`]);

    const { alert } = await fleetlog.graphql<{ readonly alert: unknown }>(
      fleet.admin,
      `query($id: ID!) { alert(id: $id) { status acknowledgedBy acknowledgeNote resolution { cause value } rule { ruleId name } device { deviceId } } }`,
      { id: alertId },
    );
    expect(alert).toEqual({
      status: "RESOLVED",
      acknowledgedBy: "user:tester",
      acknowledgeNote: "on my way",
      resolution: { cause: "condition-cleared", value: 75 },
      rule: { ruleId, name: "hot" },
      device: { deviceId },
    });
    await client.endAsync();
    await subscriber.dispose();
    await subscribed;
    await nats.close();
  });
});

describe("the history", () => {
  it("is replayed event by event, and shows a device as it stood at any time", async () => {
    const { deviceId } = device(2);
    const step = (name: string) =>
      fleetlog.graphql(fleet.admin, `mutation($id: ID!) { ${name}(input: {deviceId: $id}) { shown } }`, {
        id: deviceId,
      });
    await step("startMaintenance");
    const between = new Date().toISOString();
    // Clocks of two processes of one machine: the next event must not carry the same millisecond.
    await waitFor(() => new Date().toISOString() > between);
    await step("endMaintenance");
    const { deviceEvents } = await fleetlog.graphql<{
      readonly deviceEvents: {
        readonly edges: readonly {
          readonly node: { readonly type: string; readonly actor: string; readonly data: object };
        }[];
      };
    }>(fleet.admin, `query($id: ID!) { deviceEvents(deviceId: $id) { edges { node { type actor data } } } }`, {
      id: deviceId,
    });
    const events = deviceEvents.edges.map(({ node }) => node).filter(({ type }) => !type.startsWith("DeviceWent"));
    expect(events.map(({ type }) => type)).toEqual([
      "DeviceRegistered",
      "DeviceActivated",
      "CredentialIssued",
      "MaintenanceStarted",
      "MaintenanceEnded",
    ]);
    for (const { actor } of events) expect(actor).toBe("user:tester");
    expect(JSON.stringify(events)).not.toContain("hash");
    const statuses = await fleetlog.graphql(
      fleet.admin,
      `query($id: ID!, $past: DateTime!) { past: device(id: $id, asOf: $past) { status } now: device(id: $id) { status } }`,
      { id: deviceId, past: between },
    );
    expect(statuses).toEqual({ past: { status: "MAINTENANCE" }, now: { status: "ACTIVE" } });
  });
});

describe("operations", () => {
  it("answer for every engine, role and read model", async () => {
    const ready = await waitFor(async () => {
      const response = await fetch(`${fleetlog.httpUrl}/readyz`);
      return response.ok
        ? ((await response.json()) as { readonly parts: readonly { readonly name: string; readonly state: string }[] })
        : undefined;
    });
    const names = ready.parts.map(({ name }) => name);
    for (const name of [
      "eventstore",
      "mongodb",
      "nats",
      "influxdb",
      "writer",
      "processor",
      "relay",
      "rollups",
      "projection devices",
      "projection alerts",
      "integrators",
    ]) {
      expect(names).toContain(name);
    }
    const metrics = await (await fetch(`${fleetlog.httpUrl}/metrics`)).text();
    expect(metrics).toContain("fleetlog_commands_total");
    expect((await fetch(`${fleetlog.httpUrl}/healthz`)).status).toBe(200);
  });
});

describe("the command line", () => {
  it("finds the platform of its data directory, whatever port that got", async () => {
    const cli = resolve(fileURLToPath(import.meta.url), "../../../dist/src/cli/main.js");
    const args = [cli, "device", "list", "--tenant", fleet.tenant, "--json"];
    const { stdout } = await run(process.execPath, args, {
      env: { PATH: process.env["PATH"], FLEETLOG_DATA_DIR: fleetlog.dataDir },
    });
    for (const { deviceId } of fleet.devices) expect(stdout).toContain(deviceId);
  });
});
