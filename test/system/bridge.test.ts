/** The built platform beside a real Mosquitto that wants TLS, a user and a password. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import mqtt from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newId } from "../../src/platform/ids.js";
import { makeCertificate } from "../support/certificate.js";
import { needPackage } from "../support/debian.js";
import type { Fleet, Fleetlog } from "../support/fleetlog.js";
import { createFleet, startFleetlog } from "../support/fleetlog.js";
import { startMosquitto } from "../support/mosquitto.js";
import type { Mosquitto } from "../support/mosquitto.js";
import { waitFor } from "../support/wait-for.js";

const run = promisify(execFile);
const mosquitto = await needPackage("mosquitto", "mosquitto");
const mosquittoPub = await needPackage("mosquitto-clients", "mosquitto_pub");
const openssl = await needPackage("openssl", "openssl");

const HOUR = 3_600_000;
const user = { name: "fleet log", password: "p@ss:w/rd" };
const tenant = `t-${newId()}`;

describe.skipIf(mosquitto === undefined || mosquittoPub === undefined || openssl === undefined)("the bridge", () => {
  let dir: string;
  let broker: Mosquitto;
  let fleetlog: Fleetlog;
  let fleet: Fleet;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "fleetlog-bridge-"));
    const tls = await makeCertificate(openssl ?? "", dir);
    broker = await startMosquitto(mosquitto ?? "", { user, tls });
    const mapping = join(dir, "mapping.json");
    const rules = [
      { topic: "hall/{device}/{metric}", tenant, payload: "value", metric: "{metric}" },
      { topic: "v1/{tenant}/{device}/telemetry" },
    ];
    await writeFile(mapping, JSON.stringify({ rules }));
    const url = new URL(broker.tlsUrl);
    url.username = encodeURIComponent(user.name);
    url.password = encodeURIComponent(user.password);
    fleetlog = await startFleetlog({
      environment: {
        MQTT_BROKER_URL: url.href,
        FLEETLOG_BRIDGE_MAPPING: mapping,
        NODE_EXTRA_CA_CERTS: tls.certificate,
      },
    });
    fleet = await createFleet(fleetlog, 2, tenant);
    await waitFor(isConnected, { what: "the bridge to be connected" });
  });
  afterAll(async () => {
    await fleetlog?.dispose();
    await broker?.dispose();
    await rm(dir, { recursive: true, force: true });
  });

  async function isConnected(): Promise<boolean> {
    const response = await fetch(`${fleetlog.httpUrl}/readyz`);
    const { parts } = (await response.json()) as { readonly parts: readonly { name: string; state: string }[] };
    return parts.some(({ name, state }) => name === "bridge" && state === "up");
  }

  async function say(topic: string, payload: string): Promise<void> {
    const login = ["-u", user.name, "-P", user.password];
    await run(mosquittoPub ?? "", ["-p", String(broker.port), ...login, "-q", "1", "-t", topic, "-m", payload]);
  }

  async function latest(deviceId: string): Promise<Readonly<Record<string, unknown>>> {
    const { latestTelemetry } = await fleetlog.graphql<{
      readonly latestTelemetry: readonly { readonly metric: string; readonly value: unknown }[];
    }>(fleet.admin, `query($id: ID!) { latestTelemetry(deviceId: $id) { metric value } }`, { id: deviceId });
    return Object.fromEntries(latestTelemetry.map(({ metric, value }) => [metric, value]));
  }

  it("brings what devices tell the broker to a GraphQL query, by the mapping and on our own topics", async () => {
    await say("hall/device-0/pressure", "4.25");
    await say(`v1/${tenant}/device-0/telemetry`, '{"temperature": 21.5}');
    const expected = { pressure: 4.25, temperature: 21.5 };
    await waitFor(async () => Object.keys(await latest("device-0")).length === 2, { what: "both readings" });
    expect(await latest("device-0")).toEqual(expected);
  });

  it("loses and doubles nothing that the broker kept when the broker is killed under load", async () => {
    const firstTimestamp = Date.now() - 2 * HOUR;
    const login = { username: user.name, password: user.password };
    const client = await mqtt.connectAsync(broker.url, { ...login, reconnectPeriod: 100 });
    // Its connection goes with the broker's process.
    client.on("error", () => undefined);
    const publish = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => {
        const n = from + index;
        const payload = JSON.stringify({ ts: firstTimestamp + n, values: { n } });
        return client.publishAsync(`v1/${tenant}/device-1/telemetry`, payload, { qos: 1 });
      });
    const flowing = Promise.all(publish(0, 2_000));
    await waitFor(async () => (await stored(firstTimestamp)) > 0, { what: "the first readings to be stored" });
    const gateway = fleetlog.pid("gateway") ?? Number.NaN;
    // Some are under way to it, and the others wait in the broker, which writes down that they do.
    process.kill(gateway, "SIGSTOP");
    try {
      await flowing;
      await Promise.all(publish(2_000, 4_000));
      await broker.save();
      await broker.kill("SIGKILL");
      await broker.start();
    } finally {
      process.kill(gateway, "SIGCONT");
    }
    // Debian's Mosquitto writes shared subscriptions nowhere: what comes before ours is there again has no subscriber.
    await waitFor(() => said("the outside broker is connected again"), { what: "the bridge to be connected again" });
    await Promise.all(publish(4_000, 5_000));
    await client.endAsync();
    await waitFor(async () => (await stored(firstTimestamp)) >= 5_000, {
      what: "all readings to be stored",
      deadlineMs: 90_000,
      everyMs: 250,
    });
    expect(await stored(firstTimestamp)).toBe(5_000);
    expect(await isConnected()).toBe(true);
  });

  function said(message: string): boolean {
    return fleetlog.log.some(({ msg }) => msg === message);
  }

  async function stored(from: number): Promise<number> {
    const { telemetry } = await fleetlog.graphql<{
      readonly telemetry: readonly { readonly points: readonly { readonly count: number }[] }[];
    }>(
      fleet.admin,
      `query($id: ID!, $from: DateTime!, $to: DateTime!) { telemetry(deviceId: $id, metrics: ["n"], from: $from, to: $to, resolution: 60) { points { count } } }`,
      { id: "device-1", from: new Date(from).toISOString(), to: new Date(from + HOUR).toISOString() },
    );
    return telemetry.flatMap(({ points }) => points).reduce((sum, { count }) => sum + count, 0);
  }
});
