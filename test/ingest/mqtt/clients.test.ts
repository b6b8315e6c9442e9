/** Real clients: mqtt.js over every way in, and Mosquitto's from Debian's packages, in both versions. */
import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";
import { connectAsync } from "mqtt";
import type { IClientOptions, MqttClient } from "mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { needPackage } from "../../support/debian.js";
import { waitFor } from "../../support/wait-for.js";
import { announce, KEY, natsUnderTest } from "../support.js";
import type { NatsUnderTest } from "../support.js";
import { collectReadings } from "./readings.js";
import type { ReadingsFeed } from "./readings.js";
import { startTransports } from "./transports.js";
import type { Transports } from "./transports.js";

const run = promisify(execFile);
const mosquitto = await needPackage("mosquitto-clients", "mosquitto_pub");
const TELEMETRY = "v1/acme/d1/telemetry";
const DESIRED = "v1/acme/d1/config/desired";

let nats: NatsUnderTest;
let under: Transports;
let feed: ReadingsFeed;
const clients: MqttClient[] = [];

beforeAll(async () => {
  nats = await natsUnderTest();
  feed = collectReadings(nats.nc);
  under = await startTransports(nats.nc);
  under.models.put("acme", "d1");
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
  feed.readings.length = 0;
});
afterAll(async () => {
  await under.stop();
  await feed.stop();
  await nats.stop();
});

async function connect(url: string, options: Partial<IClientOptions>): Promise<MqttClient> {
  const client = await connectAsync(url, {
    username: "acme/d1",
    password: KEY,
    ca: under.ca,
    reconnectPeriod: 50,
    ...options,
  });
  client.on("error", () => {});
  clients.push(client);
  return client;
}

const numbers = (): unknown[] =>
  feed.readings.map(({ values }) => values["n"]).toSorted((a, b) => Number(a) - Number(b));

describe.each(["mqtt", "mqtts", "ws", "wss"] as const)("mqtt.js over %s", (way) => {
  test.each([4, 5] as const)(
    "version %s: every QoS, and a session that goes on after a loss",
    async (protocolVersion) => {
      const clientId = `${way}-${protocolVersion}`;
      const properties = protocolVersion === 5 ? { properties: { sessionExpiryInterval: 60 } } : {};
      const client = await connect(under.urls[way], { protocolVersion, clean: false, clientId, ...properties });
      const received: { version: number }[] = [];
      client.on("message", (_topic, payload) => received.push(JSON.parse(payload.toString()) as { version: number }));
      await client.subscribeAsync(DESIRED, { qos: 1 });
      for (const qos of [0, 1, 2] as const) await client.publishAsync(TELEMETRY, `{"n":${qos}}`, { qos });
      await waitFor(() => feed.readings.length === 3);
      expect(numbers()).toEqual([0, 1, 2]);
      const presents: boolean[] = [];
      client.on("connect", ({ sessionPresent }) => presents.push(sessionPresent));
      client.stream.destroy();
      await client.publishAsync(TELEMETRY, '{"n":3}', { qos: 2 });
      await waitFor(() => presents.length === 1);
      expect(presents).toEqual([true]);
      const version = Date.now();
      announce(nats.nc, under.models.put("acme", "d1", { configuration: { version, config: {}, status: "PENDING" } }));
      await waitFor(() => received.some((one) => one.version === version));
      const reported = { version, status: "APPLIED", at: new Date().toISOString() } as const;
      announce(nats.nc, under.models.put("acme", "d1", { configuration: { version, config: {}, reported } }));
    },
  );
});

test("mqtt.js 5 with automatic topic aliases", async () => {
  const client = await connect(under.urls.mqtt, {
    protocolVersion: 5,
    autoAssignTopicAlias: true,
    properties: { topicAliasMaximum: 10 },
  });
  for (const n of [1, 2, 3]) await client.publishAsync(TELEMETRY, `{"n":${n}}`, { qos: 1 });
  await waitFor(() => feed.readings.length === 3);
  expect(numbers()).toEqual([1, 2, 3]);
});

function common(secure: boolean): string[] {
  const port = String(secure ? under.tlsPort : under.gateway.port);
  const who = ["-h", "localhost", "-p", port, "-u", "acme/d1", "-P", KEY];
  return secure ? [...who, "--cafile", under.caFile] : who;
}

describe.skipIf(mosquitto === undefined)("Mosquitto's clients", () => {
  test.each(
    (["mqttv31", "mqttv311", "mqttv5"] as const).flatMap((version) =>
      [0, 1, 2].flatMap((qos) => [false, true].map((secure) => [version, qos, secure] as const)),
    ),
  )("mosquitto_pub -V %s -q %s, TLS: %s", async (version, qos, secure) => {
    await run("mosquitto_pub", [...common(secure), "-V", version, "-q", String(qos), "-t", TELEMETRY, "-m", '{"n":1}']);
    await waitFor(() => feed.readings.length === 1);
    expect(feed.readings[0]?.values).toEqual({ n: 1 });
  });

  test("mosquitto_pub -V 5 is told why", async () => {
    const publish = run("mosquitto_pub", [...common(false), "-V", "5", "-q", "1", "-d", "-t", "elsewhere", "-m", "x"]);
    const { stdout, stderr } = await publish.catch((error: unknown) => error as { stdout: string; stderr: string });
    expect(stdout + stderr).toMatch(/RC:135|Not authorized|rc135/iu);
  });

  test.each(["mqttv311", "mqttv5"])("mosquitto_sub -V %s -c: a session that is found again", async (version) => {
    const id = `sub-${version}`;
    const sub = (): Promise<{ stdout: string }> =>
      run("mosquitto_sub", [
        ...common(true),
        "-V",
        version,
        "-i",
        id,
        "-c",
        "-q",
        "1",
        "-t",
        DESIRED,
        "-C",
        "1",
        "-W",
        "60",
      ]);
    for (const change of [1, 2]) {
      const version_ = Date.now() + change;
      announce(
        nats.nc,
        under.models.put("acme", "d1", { configuration: { version: version_, config: { change }, status: "PENDING" } }),
      );
      expect(JSON.parse((await sub()).stdout)).toEqual({ version: version_, config: { change } });
    }
  });

  test("mosquitto_sub over its lifetime gets each change", async () => {
    const child = spawn("mosquitto_sub", [...common(false), "-V", "5", "-q", "1", "-t", DESIRED, "-C", "3"]);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    try {
      const base = Date.now() + 1_000;
      for (const n of [0, 1, 2]) {
        const version = base + n;
        announce(
          nats.nc,
          under.models.put("acme", "d1", { configuration: { version, config: { n }, status: "PENDING" } }),
        );
        await waitFor(() => output.includes(`"version":${version}`));
      }
      expect(output.trim().split("\n")).toHaveLength(3);
    } finally {
      child.kill();
    }
  });
});
