import { once } from "node:events";
import { createConnection } from "node:net";
import { connectAsync } from "mqtt";
import type { MqttClient } from "mqtt";
import { generate } from "mqtt-packet";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import { feedFrames, startMqttGateway } from "../../src/ingest/index.js";
import type { Reading, SeenMessage } from "../../src/ingest/index.js";
import { silentLogger } from "../../src/platform/logger.js";
import { subjects } from "../../src/platform/subjects.js";
import { waitFor } from "../support/wait-for.js";
import { announce, gatewayUnderTest, KEY, natsUnderTest, rejectionsOf } from "./support.js";
import type { GatewayUnderTest, NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let under: GatewayUnderTest;
let readings: Reading[];
let stopFeed: () => void;

beforeAll(async () => {
  nats = await natsUnderTest();
  readings = [];
  const feed = feedFrames({ nc: nats.nc, consumer: "writer", logger: silentLogger });
  stopFeed = () => feed.stop();
  void (async () => {
    for await (const frame of feed.frames) {
      readings.push(...frame.readings);
      frame.message.ack();
    }
  })();
});
afterAll(async () => {
  stopFeed();
  await nats.stop();
});
beforeEach(async () => {
  under = await gatewayUnderTest(nats.nc, { connectTimeoutMs: 5_000 });
  under.models.put("acme", "d1", { location: { site: "hall 1" } });
});
afterEach(async () => {
  await under.stop();
  readings.length = 0;
});

/** What a raw view of a client's acknowledgements shows. */
function acknowledgement(client: MqttClient): Promise<{ reasonCode?: number; reason?: string }> {
  return new Promise((resolve) => {
    client.on("packetreceive", (packet) => {
      if (packet.cmd !== "puback") return;
      const { reasonCode, properties } = packet;
      resolve({
        ...(reasonCode === undefined ? {} : { reasonCode }),
        ...(properties?.reasonString === undefined ? {} : { reason: properties.reasonString }),
      });
    });
  });
}

function ended(client: MqttClient): Promise<{ code: number | undefined; reason: string | undefined }> {
  return new Promise((resolve) => {
    let code: number | undefined;
    let reason: string | undefined;
    client.on("disconnect", (packet) => {
      code = packet.reasonCode;
      reason = packet.properties?.reasonString;
    });
    client.on("close", () => resolve({ code, reason }));
  });
}

describe.each([4, 5] as const)("MQTT version %s", (protocolVersion) => {
  test("a reading that is acknowledged is in JetStream, enriched", async () => {
    const client = await under.connect({ protocolVersion });
    const ts = Date.now() - 1_000;
    await client.publishAsync("v1/acme/d1/telemetry", JSON.stringify({ ts, values: { temperature: 21.5, on: true } }), {
      qos: 1,
    });
    const reading = await waitFor(() => readings[0]);
    expect(reading).toMatchObject({
      tenantId: "acme",
      deviceId: "d1",
      deviceType: "sensor",
      site: "hall 1",
      timestamp: ts,
      values: { temperature: 21.5, on: true },
    });
    expect(reading.receivedAt).toBeGreaterThanOrEqual(ts);
  });

  test("the short form is stamped on arrival, and arrays keep their order", async () => {
    const client = await under.connect({ protocolVersion });
    await client.publishAsync("v1/acme/d1/telemetry", '{"a":1}', { qos: 0 });
    const ts = Date.now();
    await client.publishAsync(
      "v1/acme/d1/telemetry",
      JSON.stringify([1, 2, 3].map((n) => ({ ts: ts + n, values: { n } }))),
      { qos: 1 },
    );
    await waitFor(() => readings.length === 4);
    expect(readings.map(({ values }) => values)).toEqual([{ a: 1 }, { n: 1 }, { n: 2 }, { n: 3 }]);
    expect(readings[0]?.timestamp).toBe(readings[0]?.receivedAt);
  });

  test("a message of a thousand readings is cut into frames and acknowledged once", async () => {
    const client = await under.connect({ protocolVersion });
    const ts = Date.now();
    const many = Array.from({ length: 1_000 }, (_, n) => ({ ts: ts - n, values: { n } }));
    await client.publishAsync("v1/acme/d1/telemetry", JSON.stringify(many), { qos: 1 });
    await waitFor(() => readings.length === 1_000);
    expect(new Set(readings.map(({ values }) => values["n"])).size).toBe(1_000);
  });

  test.each([
    ["an unknown device", { username: "acme/nobody", password: KEY }],
    ["another tenant's name", { username: "other/d1", password: KEY }],
    ["a wrong key", { username: "acme/d1", password: "wrong" }],
    ["a user name of another form", { username: "d1", password: KEY }],
  ])("%s is refused at log-in, and told no more than that", async (_what, credentials) => {
    const attempt = under.connect({ protocolVersion, ...credentials });
    await expect(attempt).rejects.toMatchObject({ code: protocolVersion === 5 ? 0x86 : 4 });
  });

  test("a device that is not active is refused as such", async () => {
    under.models.put("acme", "d1", { status: "INACTIVE" });
    await expect(under.connect({ protocolVersion })).rejects.toMatchObject({ code: protocolVersion === 5 ? 0x87 : 5 });
  });

  test("configuration that is owed is sent on subscribe and on change, at the QoS granted", async () => {
    under.models.put("acme", "d1", { configuration: { version: 3, config: { interval: 5 }, status: "PENDING" } });
    const client = await under.connect({ protocolVersion });
    const received: { version: number }[] = [];
    client.on("message", (_topic, payload) =>
      received.push(JSON.parse(payload.toString("utf8")) as { version: number }),
    );
    const [grant] = await client.subscribeAsync("v1/acme/d1/config/desired", { qos: 1 });
    expect(grant?.qos).toBe(1);
    await waitFor(() => received.length === 1);
    expect(received[0]).toEqual({ version: 3, config: { interval: 5 } });
    announce(nats.nc, under.models.put("acme", "d1", { configuration: { version: 4, config: { interval: 9 } } }));
    await waitFor(() => received.length === 2);
    expect(received[1]).toEqual({ version: 4, config: { interval: 9 } });
    const reported = { version: 4, status: "APPLIED", at: new Date().toISOString() } as const;
    announce(
      nats.nc,
      under.models.put("acme", "d1", { configuration: { version: 4, config: { interval: 9 }, reported } }),
    );
    await waitFor(() => under.registry.peek("acme", "d1")?.configuration.reported !== undefined);
    await client.subscribeAsync("v1/acme/d1/#", { qos: 0 });
    await client.publishAsync("v1/acme/d1/telemetry", '{"a":1}', { qos: 1 });
    expect(received).toHaveLength(2);
  });

  test("reports and presence go to the workflows", async () => {
    const messages: { subject: string; body: Record<string, unknown> }[] = [];
    const subscription = nats.nc.subscribe("fleetlog-reports.>", {
      callback: (_error, message) => messages.push({ subject: message.subject, body: message.json() }),
    });
    const client = await under.connect({ protocolVersion });
    await client.publishAsync("v1/acme/d1/health", '{"battery":81,"firmwareVersion":"1.2.3"}', { qos: 1 });
    await client.publishAsync("v1/acme/d1/config/reported", '{"version":1,"status":"applied"}', { qos: 1 });
    await client.endAsync();
    const offline = await waitFor(() => messages.find(({ body }) => body["online"] === false));
    subscription.unsubscribe();
    const online = messages.find(({ body }) => body["online"] === true);
    expect(online?.subject).toBe(subjects.report("presence", "acme", "d1"));
    expect(offline.body).toMatchObject({ reason: "disconnected", session: online?.body["session"] });
    expect(messages.find(({ subject }) => subject === subjects.report("health", "acme", "d1"))?.body).toMatchObject({
      battery: 81,
    });
    expect(messages.find(({ subject }) => subject === subjects.report("config", "acme", "d1"))?.body).toMatchObject({
      version: 1,
      status: "applied",
    });
  });

  test("who comes and goes between two rounds of who is there was heard, and is not there", async () => {
    const rounds: SeenMessage[] = [];
    const subscription = nats.nc.subscribe(subjects.seen, {
      callback: (_error, message) => rounds.push(message.json<SeenMessage>()),
    });
    await nats.nc.flush();
    const before = Date.now();
    const client = await under.connect({ protocolVersion });
    await client.endAsync();
    const round = await waitFor(() => rounds.find(({ heard }) => heard.some(([, device]) => device === "d1")));
    expect(round.devices).toEqual([]);
    const [[, , heardAt] = []] = round.heard;
    expect(heardAt).toBeGreaterThanOrEqual(before);
    expect(heardAt).toBeLessThanOrEqual(round.at);
    subscription.unsubscribe();
  });

  test("what a tenant stores is counted once, also on the short way", async () => {
    const client = await under.connect({ protocolVersion });
    for (let n = 0; n < 20; n += 1) await client.publishAsync("v1/acme/d1/telemetry", `{"a": ${n}.5}`, { qos: 1 });
    expect(under.ingest.usage.all().get("acme")).toMatchObject({ messages: 20, readings: 20 });
  });

  test("a lost connection is told from a proper end, and its last will is taken in", async () => {
    const ends: unknown[] = [];
    const subscription = nats.nc.subscribe(subjects.report("presence", "acme", "d1"), {
      callback: (_error, message) => ends.push(message.json<{ reason?: string }>().reason),
    });
    const client = await under.connect({
      protocolVersion,
      will: { topic: "v1/acme/d1/telemetry", payload: Buffer.from('{"dying":true}'), qos: 1, retain: false },
    });
    client.stream.destroy();
    await waitFor(() => ends.includes("connection-lost"));
    subscription.unsubscribe();
    expect((await waitFor(() => readings[0])).values).toEqual({ dying: true });
  });

  test("a device that may no longer speak has no last will", async () => {
    const will = {
      topic: "v1/acme/d1/telemetry",
      payload: Buffer.from('{"dying":true}'),
      qos: 1,
      retain: false,
    } as const;
    const end = ended(await under.connect({ protocolVersion, will }));
    under.models.put("acme", "d2");
    const other = await under.connect({ protocolVersion, username: "acme/d2" });
    announce(nats.nc, under.models.put("acme", "d1", { status: "DECOMMISSIONED" }));
    await end;
    await other.publishAsync("v1/acme/d2/telemetry", '{"later":1}', { qos: 1 });
    await waitFor(() => readings.length > 0);
    expect(readings.map(({ deviceId }) => deviceId)).toEqual(["d2"]);
  });

  test("a second connection with the same client id takes over from the first", async () => {
    const first = await under.connect({ protocolVersion, clientId: "one" });
    const end = ended(first);
    const second = await under.connect({ protocolVersion, clientId: "one" });
    const { code } = await end;
    expect(code).toBe(protocolVersion === 5 ? 0x8e : undefined);
    await second.publishAsync("v1/acme/d1/telemetry", '{"a":1}', { qos: 1 });
  });

  test("revoking the credential, or deactivating the device, ends the live connection", async () => {
    const client = await under.connect({ protocolVersion });
    const end = ended(client);
    announce(nats.nc, under.models.put("acme", "d1", { credentials: [] }));
    const { code, reason } = await end;
    expect(code).toBe(protocolVersion === 5 ? 0x98 : undefined);
    expect(reason ?? "").toContain(protocolVersion === 5 ? "revoked" : "");
    await expect(under.connect({ protocolVersion })).rejects.toMatchObject({ code: protocolVersion === 5 ? 0x86 : 4 });
  });

  test("a subscription beyond the own prefix is not granted", async () => {
    const client = await under.connect({ protocolVersion });
    const packets: unknown[] = [];
    client.on("packetreceive", (packet) => {
      if (packet.cmd === "suback") packets.push(packet.granted);
    });
    const filters = ["#", "v1/acme/d2/#", "v1/acme/+/config/desired", "$share/g/v1/acme/d1/#", "v1/acme/d1/commands/+"];
    await client.subscribeAsync(filters, { qos: 1 }).catch(() => {});
    const no = protocolVersion === 5 ? 0x87 : 0x80;
    // "+" stands for the device and those that it is the gateway of, here nobody.
    expect(packets).toEqual([[no, no, 1, protocolVersion === 5 ? 0x9e : 0x80, 1]]);
  });

  test("a packet that is too large ends the connection, and nobody else's", async () => {
    const client = await under.connect({ protocolVersion });
    const other = await under.connect({ protocolVersion });
    const end = ended(client);
    client.publish("v1/acme/d1/telemetry", Buffer.alloc(1024 ** 2, "x"), { qos: 1 }, () => {});
    const { code } = await end;
    expect(code).toBe(protocolVersion === 5 ? 0x95 : undefined);
    await other.publishAsync("v1/acme/d1/telemetry", '{"a":1}', { qos: 1 });
    expect(await under.metrics.metrics()).toContain('fleetlog_rejected_total{door="mqtt",code="PAYLOAD_TOO_LARGE"} 1');
    const kept = await waitFor(async () => (await rejectionsOf(nats.nc, "acme", "d1")).at(-1));
    expect(kept).toMatchObject({ code: "PAYLOAD_TOO_LARGE", payload: "" });
  });
});

describe("bad input", () => {
  test.each([
    ["malformed JSON", '{"temperature": 21.5', "MALFORMED_PAYLOAD", "ends too early"],
    ["NaN", '{"temperature": NaN}', "MALFORMED_PAYLOAD", "position 16"],
    ["a wrong type", '{"ts":1,"values":{"a":[1]}}', "INVALID_TIMESTAMP", "older than"],
    ["a nested value", '{"a":{"b":1}}', "INVALID_VALUE", "a: expected a number, a string or a boolean, got an object"],
    ["null", '{"a":null}', "INVALID_VALUE", "got null"],
    ["a number beyond all", '{"a":1e999}', "INVALID_VALUE", "too large"],
    ["a timestamp far ahead", '{"ts":99999999999999,"values":{"a":1}}', "INVALID_TIMESTAMP", "future"],
    ["a timestamp as text", '{"ts":"now","values":{"a":1}}', "INVALID_TIMESTAMP", "whole milliseconds"],
    ["no metric name", '{"a b":1}', "UNKNOWN_METRIC", "is no metric name"],
    ["nothing", "", "MALFORMED_PAYLOAD", "empty"],
    ["no object", "21.5", "MALFORMED_PAYLOAD", "got 21.5"],
  ])("%s gets a reason and is kept", async (_what, payload, code, reason) => {
    const client = await under.connect({ protocolVersion: 5 });
    const before = (await rejectionsOf(nats.nc, "acme", "d1")).length;
    const answer = acknowledgement(client);
    client.publish("v1/acme/d1/telemetry", payload, { qos: 1 }, () => {});
    expect(await answer).toMatchObject({ reasonCode: 0x99, reason: expect.stringContaining(reason) as unknown });
    const kept = await rejectionsOf(nats.nc, "acme", "d1");
    expect(kept).toHaveLength(before + 1);
    expect(kept.at(-1)).toMatchObject({ code, door: "mqtt", topic: "v1/acme/d1/telemetry", payload, encoding: "utf8" });
    expect(client.connected).toBe(true);
  });

  test("the device type's word holds: unknown metrics, kinds, bounds, and the place is named", async () => {
    under.models.define("acme", "sensor", [{ name: "temperature", kind: "number", min: -40, max: 125 }]);
    const client = await under.connect({ protocolVersion: 5 });
    const ts = Date.now();
    const refusalOf = async (values: object): Promise<string | undefined> => {
      const answer = acknowledgement(client);
      const payload = JSON.stringify([
        { ts, values: { temperature: 1 } },
        { ts, values },
      ]);
      client.publish("v1/acme/d1/telemetry", payload, { qos: 1 }, () => {});
      const { reason } = await answer;
      client.removeAllListeners("packetreceive");
      return reason;
    };
    expect(await refusalOf({ temperature: "hot" })).toBe(
      'readings[1].values.temperature: expected a number, got "hot"',
    );
    expect(await refusalOf({ humidity: 1 })).toContain("device type sensor has no such metric; it has temperature");
    expect(await refusalOf({ temperature: 126 })).toContain("above the device type's maximum of 125");
    expect(readings).toEqual([]);
  });

  test("3.1.1 has no reasons: a refused payload is acknowledged, because it is durably kept", async () => {
    const client = await under.connect({ protocolVersion: 4 });
    await client.publishAsync("v1/acme/d1/telemetry", "nonsense", { qos: 1 });
    expect((await rejectionsOf(nats.nc, "acme", "d1")).at(-1)).toMatchObject({ payload: "nonsense" });
  });

  test.each(["v1/other/d1/telemetry", "elsewhere", "v1/acme/d1/commands/1/reply"])(
    "topic %s: version 5 says why and stays, 3.1.1 closes; both keep it",
    async (topic) => {
      const client = await under.connect({ protocolVersion: 5 });
      const answer = acknowledgement(client);
      client.publish(topic, '{"a":1}', { qos: 1 }, () => {});
      expect(await answer).toMatchObject({ reasonCode: 0x87, reason: expect.stringContaining(topic) as unknown });
      expect(client.connected).toBe(true);
      const old = await under.connect({ protocolVersion: 4 });
      const end = ended(old);
      old.publish(topic, '{"a":2}', { qos: 1 }, () => {});
      await end;
      const kept = await rejectionsOf(nats.nc, "acme", "d1");
      expect(kept.slice(-2)).toMatchObject([
        { code: "TOPIC_NOT_ALLOWED", topic, payload: '{"a":1}' },
        { code: "TOPIC_NOT_ALLOWED", topic, payload: '{"a":2}' },
      ]);
    },
  );

  test("what is to be retained is refused and kept, where the protocol can say so", async () => {
    const client = await under.connect({ protocolVersion: 5 });
    const end = ended(client);
    // The packet itself: the client keeps to what the gateway has announced.
    client.stream.write(
      generate(
        { cmd: "publish", topic: "v1/acme/d1/telemetry", payload: '{"kept":1}', qos: 0, retain: true, dup: false },
        { protocolVersion: 5 },
      ),
    );
    expect((await end).code).toBe(0x9a);
    await waitFor(async () => (await rejectionsOf(nats.nc, "acme", "d1")).at(-1)?.payload === '{"kept":1}');
  });

  test("strangers who knock a hundred times do not fill the log", async () => {
    const lines: string[] = [];
    const logger = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
    const { ingest, registry } = under;
    const options = { host: "127.0.0.1", port: 0, maxPayloadBytes: 1_024, maxConnections: 1_000 };
    const gateway = await startMqttGateway({ nc: nats.nc, ingest, registry, logger }, options);
    try {
      const knock = async (): Promise<void> => {
        const url = `mqtt://127.0.0.1:${gateway.port}`;
        await expect(connectAsync(url, { username: "no/one", reconnectPeriod: 0 }, false)).rejects.toThrow(/refused/u);
      };
      await Promise.all(Array.from({ length: 100 }, knock));
      await waitFor(() => lines.some((line) => line.includes("than the log names")));
      expect(lines.length).toBeLessThan(50);
    } finally {
      await gateway.stop();
    }
  });

  test("one device takes not the places of all others: beyond 32 connections its oldest goes", async () => {
    const oldest = await under.connect({ protocolVersion: 5, clientId: "oldest" });
    const end = ended(oldest);
    const others = await Promise.all(
      Array.from({ length: 32 }, (_, n) => under.connect({ protocolVersion: 5, clientId: `n${n}` })),
    );
    expect((await end).code).toBe(0x97);
    expect(others.every(({ connected }) => connected)).toBe(true);
  });

  test("who never logs in is sent away", async () => {
    const socket = createConnection({ host: "127.0.0.1", port: under.gateway.port });
    await once(socket, "close");
    expect(await under.metrics.metrics()).toContain('fleetlog_connections_closed_total{reason="connect-timeout"} 1');
  });
});
