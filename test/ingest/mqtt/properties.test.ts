/** What MQTT 5 has beside the message: announced truly, taken as the specification says, refused with its code and a reason. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Packet } from "mqtt-packet";
import { waitFor } from "../../support/wait-for.js";
import { announce, gatewayUnderTest, natsUnderTest, rejectionsOf } from "../support.js";
import type { GatewayUnderTest, NatsUnderTest } from "../support.js";
import { connectPacket, overTcp } from "./raw-client.js";
import type { RawClient, Received } from "./raw-client.js";
import { collectReadings } from "./readings.js";
import type { ReadingsFeed } from "./readings.js";

const TELEMETRY = "v1/acme/d1/telemetry";
const DESIRED = "v1/acme/d1/config/desired";
let nats: NatsUnderTest;
let feed: ReadingsFeed;
let under: GatewayUnderTest;

beforeAll(async () => {
  nats = await natsUnderTest();
  feed = collectReadings(nats.nc);
});
afterAll(async () => {
  await feed.stop();
  await nats.stop();
});
beforeEach(async () => {
  under = await gatewayUnderTest(nats.nc);
  under.models.put("acme", "d1");
});
afterEach(async () => {
  await under.stop();
  feed.readings.length = 0;
});

type Connect = Parameters<RawClient["connect"]>[0];

async function open(given: Connect = {}): Promise<RawClient> {
  const client = await overTcp(under.gateway.port, 5);
  await client.connect(given);
  return client;
}

async function subscribe(client: RawClient, topic: string, id?: number): Promise<Received<"suback">> {
  const properties = id === undefined ? {} : { properties: { subscriptionIdentifier: id } };
  const subscriptions = [{ topic, qos: 1 as const, nl: false, rap: true, rh: 0 }];
  client.send({ cmd: "subscribe", messageId: 9, subscriptions, ...properties });
  return client.next("suback");
}

describe("CONNACK", () => {
  test("announces what is so", async () => {
    const client = await overTcp(under.gateway.port, 5);
    const { properties, reasonCode } = await client.connect({ clientId: "", keepalive: 60 });
    expect(reasonCode).toBe(0);
    expect(properties).toMatchObject({
      receiveMaximum: 1_024,
      retainAvailable: false,
      maximumPacketSize: 262_144 + 1_024,
      topicAliasMaximum: 32,
      wildcardSubscriptionAvailable: true,
      subscriptionIdentifiersAvailable: true,
      sharedSubscriptionAvailable: false,
    });
    expect(properties?.assignedClientIdentifier).toMatch(/^[\da-f-]{36}$/u);
    // Absent: QoS 2 is offered, and the client's own keep-alive and session expiry hold.
    for (const absent of ["maximumQoS", "serverKeepAlive", "sessionExpiryInterval", "responseInformation"]) {
      expect(properties).not.toHaveProperty(absent);
    }
    client.destroy();
  });

  test.each([0, 20_000])("a keep-alive of %s is replaced by the server's", async (keepalive) => {
    const client = await overTcp(under.gateway.port, 5);
    expect((await client.connect({ keepalive })).properties?.serverKeepAlive).toBe(3_600);
    client.destroy();
  });

  test("names where answers may be sent, to who asks", async () => {
    const client = await overTcp(under.gateway.port, 5);
    const { properties } = await client.connect({ properties: { requestResponseInformation: true } });
    expect(properties?.responseInformation).toBe("v1/acme/d1/responses");
    client.destroy();
  });

  test("no method of authentication is known: 0x8C", async () => {
    const client = await overTcp(under.gateway.port, 5);
    const { reasonCode } = await client.connect({ properties: { authenticationMethod: "SCRAM-SHA-1" } });
    expect(reasonCode).toBe(0x8c);
  });

  test.each([
    ["2", 2, [0x20, 2, 0, 1]],
    ["6", 6, [0x20, 2, 0, 1]],
  ])("a version that is not spoken, %s, is told in the oldest form", async (_what, level, answer) => {
    const client = await overTcp(under.gateway.port, 4);
    const received: Buffer[] = [];
    client.wire.on("data", (chunk: Buffer) => received.push(chunk));
    client.write(Buffer.from([0x10, 13, 0, 4, 0x4d, 0x51, 0x54, 0x54, level, 2, 0, 60, 0, 1, 0x61]));
    await client.ended();
    expect(Buffer.concat(received)).toEqual(Buffer.from(answer));
  });

  test.each([
    ["a receive maximum of 0", { receiveMaximum: 0 }, 0x82],
    ["a maximum packet size of 0", { maximumPacketSize: 0 }, 0x82],
  ])("%s is a protocol error", async (_what, properties, code) => {
    const client = await overTcp(under.gateway.port, 5);
    // The packet's writer refuses a 0: it is put in by hand, as the property's last byte.
    const bytes = (await import("mqtt-packet")).generate(connectPacket(5, { properties: one(properties) }));
    const at = bytes.indexOf(Object.keys(properties)[0] === "receiveMaximum" ? 0x21 : 0x27, 12);
    bytes[at + (Object.keys(properties)[0] === "receiveMaximum" ? 2 : 4)] = 0;
    client.write(bytes);
    expect((await client.next("connack")).reasonCode).toBe(code);
  });
});

/** The same properties, each 1. */
function one(properties: object): Record<string, number> {
  return Object.fromEntries(Object.keys(properties).map((name) => [name, 1]));
}

describe("topic aliases", () => {
  test("stand for the topic that they were given, and can be given another", async () => {
    const client = await open();
    const alias = { properties: { topicAlias: 32 } };
    client.publish(TELEMETRY, '{"n":1}', { qos: 1, messageId: 1, ...alias });
    client.publish("", '{"n":2}', { qos: 1, messageId: 2, ...alias });
    client.publish("v1/acme/d1/health", '{"battery":3}', { qos: 1, messageId: 3, ...alias });
    client.publish("", '{"battery":4}', { qos: 1, messageId: 4, ...alias });
    for (let id = 1; id <= 4; id += 1)
      expect(await client.next("puback")).toMatchObject({ messageId: id, reasonCode: 0 });
    await waitFor(() => feed.readings.length === 2);
    expect(feed.readings.map(({ values }) => values)).toEqual([{ n: 1 }, { n: 2 }]);
    client.destroy();
  });

  test.each([
    ["above the maximum", TELEMETRY, { topicAlias: 33 }, 0x94],
    ["that is not known", "", { topicAlias: 1 }, 0x82],
    ["missing, with an empty topic", "", {}, 0x82],
  ])("one %s ends the connection", async (_what, topic, properties, code) => {
    const client = await open();
    client.publish(topic, "{}", { properties });
    const end = await client.ended();
    expect(end?.reasonCode).toBe(code);
    expect(end?.properties?.reasonString).toContain("alias");
  });

  test("0 is none", async () => {
    const client = await open();
    client.write(Buffer.from([0x30, 7, 0, 0, 3, 0x23, 0, 0, 0x7b]));
    expect((await client.ended())?.reasonCode).toBe(0x94);
  });
});

describe("a payload says what it is", () => {
  test("the content type chooses the codec", async () => {
    const client = await open();
    const contentType = "application/cbor";
    client.publish(TELEMETRY, Buffer.from([0xa1, 0x61, 0x6e, 0x05]), {
      qos: 1,
      messageId: 1,
      properties: { contentType },
    });
    expect((await client.next("puback")).reasonCode).toBe(0);
    await waitFor(() => feed.readings.length === 1);
    expect(feed.readings[0]?.values).toEqual({ n: 5 });
    client.destroy();
  });

  test.each([
    ["a content type that nobody reads", "{}", { contentType: "image/png" }, "UNSUPPORTED_FORMAT", "application/cbor"],
    ["text that is none", Buffer.from([0xff]), { payloadFormatIndicator: true }, "MALFORMED_PAYLOAD", "UTF-8"],
    ["an answer wanted elsewhere", "{}", { responseTopic: "v1/acme/d2/x" }, "TOPIC_NOT_ALLOWED", "response topic"],
  ])("%s is refused and kept", async (_what, payload, properties, code, reason) => {
    const client = await open();
    client.publish(TELEMETRY, payload, { qos: 1, messageId: 1, properties });
    const puback = await client.next("puback");
    expect(puback.reasonCode).toBeGreaterThanOrEqual(0x80);
    expect(puback.properties?.reasonString).toContain(reason);
    expect((await rejectionsOf(nats.nc, "acme", "d1")).at(-1)).toMatchObject({ code });
    client.destroy();
  });

  test("a message expiry is no reason to lose a reading", async () => {
    const client = await open();
    client.publish(TELEMETRY, '{"n":1}', { qos: 1, messageId: 1, properties: { messageExpiryInterval: 0 } });
    expect((await client.next("puback")).reasonCode).toBe(0);
    client.destroy();
  });
});

describe("request and response", () => {
  const responseTopic = "v1/acme/d1/responses/1";
  const correlationData = Buffer.from([1, 0, 255]);

  test.each([
    ["what is stored", '[{"ts":1,"values":{"n":1}},{"ts":2,"values":{"n":2}}]', { stored: 2 }],
    ["what is refused", "nonsense", { error: { code: "MALFORMED_PAYLOAD" } }],
  ])("%s is answered on the response topic, with the correlation data", async (_what, payload, answer) => {
    const now = Date.now();
    const client = await open();
    await subscribe(client, "v1/acme/d1/responses/+", 5);
    const timed = payload.replaceAll(/"ts":(\d)/gu, (_match, n: string) => `"ts":${now + Number(n)}`);
    client.publish(TELEMETRY, timed, { qos: 1, messageId: 1, properties: { responseTopic, correlationData } });
    const response = await client.next("publish");
    expect(response).toMatchObject({
      topic: responseTopic,
      qos: 1,
      properties: { correlationData, subscriptionIdentifier: 5 },
    });
    expect(JSON.parse(response.payload.toString())).toMatchObject(answer);
    client.destroy();
  });

  test("QoS 0 gets its answer too, and who has no subscription gets none", async () => {
    const client = await open();
    client.publish(TELEMETRY, '{"n":1}', { properties: { responseTopic } });
    client.publish(TELEMETRY, '{"n":2}', { qos: 1, messageId: 1, properties: { responseTopic } });
    await client.next("puback");
    await subscribe(client, responseTopic);
    client.publish(TELEMETRY, '{"n":3}', { properties: { responseTopic, correlationData } });
    expect((await client.next("publish")).properties?.correlationData).toEqual(correlationData);
    expect(client.packets).toEqual([]);
    client.destroy();
  });
});

describe("subscriptions", () => {
  test("every identifier that matches comes with the one message", async () => {
    const client = await open();
    await subscribe(client, DESIRED, 1);
    await subscribe(client, "v1/acme/d1/#", 2);
    const configuration = { version: 1, config: { a: 1 }, status: "PENDING" } as const;
    announce(nats.nc, under.models.put("acme", "d1", { configuration }));
    expect((await client.next("publish")).properties?.subscriptionIdentifier).toEqual([1, 2]);
    expect(client.packets).toEqual([]);
    client.destroy();
  });

  test("shared ones are refused with 0x9E, and a reason", async () => {
    const client = await open();
    const { granted, properties } = await subscribe(client, "$share/group/v1/acme/d1/#");
    expect(granted).toEqual([0x9e]);
    expect(properties?.reasonString).toContain("shared");
    client.destroy();
  });

  test("no reason strings for who does not want them", async () => {
    const client = await open({ properties: { requestProblemInformation: false } });
    expect((await subscribe(client, "elsewhere/#")).properties).toBeUndefined();
    client.publish("elsewhere", "{}", { qos: 1, messageId: 1 });
    expect((await client.next("puback")).properties).toBeUndefined();
    client.destroy();
  });

  test("UNSUBSCRIBE says whether there was one", async () => {
    const client = await open();
    await subscribe(client, DESIRED);
    client.send({ cmd: "unsubscribe", messageId: 3, unsubscriptions: [DESIRED, "never/there"] });
    expect((await client.next("unsuback")).granted).toEqual([0, 0x11]);
    client.destroy();
  });

  test("what the client cannot take is not sent, and keeps nothing else back", async () => {
    const client = await open({ properties: { maximumPacketSize: 200, receiveMaximum: 1 } });
    await subscribe(client, DESIRED);
    for (const [version, text] of [
      [1, "x".repeat(500)],
      [2, "short"],
    ] as const) {
      const configuration = { version, config: { text }, status: "PENDING" } as const;
      announce(nats.nc, under.models.put("acme", "d1", { configuration }));
    }
    const sent = await client.next("publish");
    expect(JSON.parse(sent.payload.toString())).toEqual({ version: 2, config: { text: "short" } });
    client.destroy();
  });
});

describe("what does not belong", () => {
  const disordered: readonly (readonly [string, Packet | Buffer, number])[] = [
    ["a property twice", Buffer.from([0x30, 9, 0, 1, 0x61, 5, 0x01, 1, 0x01, 1, 0x7b]), 0x82],
    ["a property of another packet", Buffer.from([0x30, 7, 0, 1, 0x61, 3, 0x13, 0, 1]), 0x81],
    ["a subscription identifier from a client", Buffer.from([0x30, 6, 0, 1, 0x61, 2, 0x0b, 1]), 0x82],
    ["properties beyond the packet", Buffer.from([0x30, 5, 0, 1, 0x61, 9, 1]), 0x81],
    ["a text that is no UTF-8", Buffer.from([0x30, 8, 0, 1, 0x61, 4, 0x03, 0, 1, 0xff]), 0x81],
    ["AUTH without a method", { cmd: "auth", reasonCode: 0x18 }, 0x82],
    ["SUBSCRIBE without a filter", Buffer.from([0x82, 3, 0, 1, 0]), 0x82],
    ["a retained message", { cmd: "publish", topic: TELEMETRY, payload: "{}", qos: 0, dup: false, retain: true }, 0x9a],
  ];

  test.each(disordered)("%s ends the connection", async (_what, packet, code) => {
    const client = await open();
    if (Buffer.isBuffer(packet)) client.write(packet);
    else client.send(packet);
    const end = await client.ended();
    expect(end?.reasonCode).toBe(code);
    expect(end?.properties?.reasonString).toBeTruthy();
  });

  test("user properties are taken, up to 32", async () => {
    const client = await open();
    const some = Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`k${n}`, "v"]));
    client.publish(TELEMETRY, '{"n":1}', { qos: 1, messageId: 1, properties: { userProperties: some } });
    expect((await client.next("puback")).reasonCode).toBe(0);
    const many = { ...some, more: "v" };
    client.publish(TELEMETRY, '{"n":2}', { qos: 1, messageId: 2, properties: { userProperties: many } });
    const end = await client.ended();
    expect(end?.reasonCode).toBe(0x97);
    expect(end?.properties?.reasonString).toContain("32 user properties");
  });
});
