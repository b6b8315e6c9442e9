import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { streams, subjects } from "../../../src/platform/subjects.js";
import { clientToken } from "../../../src/ingest/mqtt/session-record.js";
import { waitFor } from "../../support/wait-for.js";
import { announce, gatewayUnderTest, natsUnderTest } from "../support.js";
import type { GatewayUnderTest, NatsUnderTest } from "../support.js";
import { overTcp } from "./raw-client.js";
import type { RawClient, Version } from "./raw-client.js";
import { collectReadings } from "./readings.js";
import type { ReadingsFeed } from "./readings.js";

const TELEMETRY = "v1/acme/d1/telemetry";
const DESIRED = "v1/acme/d1/config/desired";
let nats: NatsUnderTest;
let feed: ReadingsFeed;
let one: GatewayUnderTest;
let two: GatewayUnderTest;

beforeAll(async () => {
  nats = await natsUnderTest();
  feed = collectReadings(nats.nc);
});
afterAll(async () => {
  await feed.stop();
  await nats.stop();
});
beforeEach(async () => {
  [one, two] = await Promise.all([gatewayUnderTest(nats.nc), gatewayUnderTest(nats.nc)]);
  for (const { models } of [one, two]) for (const device of ["d1", "d2"]) models.put("acme", device);
});
afterEach(async () => {
  await Promise.all([one.stop(), two.stop()]);
  feed.readings.length = 0;
  const manager = await nats.nc.jetstreamManager();
  await manager.streams.purge(streams.sessions);
});

const open = (version: Version, at = one): Promise<RawClient> => overTcp(at.gateway.port, version);

async function subscribe(client: RawClient, topic: string, id?: number): Promise<void> {
  const properties = id === undefined ? {} : { properties: { subscriptionIdentifier: id } };
  client.send({
    cmd: "subscribe",
    messageId: 1,
    subscriptions: [{ topic, qos: 1, nl: false, rap: false, rh: 0 }],
    ...properties,
  });
  await client.next("suback");
}

async function disconnect(client: RawClient): Promise<void> {
  client.send({ cmd: "disconnect" });
  await client.ended();
}

/** Of the session's record in JetStream; undefined when there is none. */
async function recordOf(device: string, clientId: string): Promise<Record<string, unknown> | undefined> {
  const manager = await nats.nc.jetstreamManager();
  const subject = subjects.session("acme", device, clientToken(clientId));
  try {
    const { data } = await manager.streams.getMessage(streams.sessions, { last_by_subj: subject });
    return JSON.parse(Buffer.from(data).toString("utf8")) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

const persistent = { clean: false, clientId: "steady" } as const;
const keptFor = (seconds: number) => ({ clientId: "steady", properties: { sessionExpiryInterval: seconds } });

describe("session present is true", () => {
  test("3.1.1: kept without clean session, forgotten with it", async () => {
    const answers: boolean[] = [];
    for (const clean of [false, false, true, false]) {
      const client = await open(4);
      answers.push((await client.connect({ clean, clientId: "steady" })).sessionPresent);
      await disconnect(client);
      // The record is written behind the end of the connection.
      await waitFor(async () => ((await recordOf("d1", "steady")) === undefined) === clean);
    }
    expect(answers).toEqual([false, true, false, false]);
  });

  test("5: kept as long as asked for, found at another gateway, ended by clean start", async () => {
    const first = await open(5);
    const connack = await first.connect(keptFor(60));
    expect(connack.sessionPresent).toBe(false);
    expect(connack.properties?.sessionExpiryInterval).toBeUndefined();
    first.destroy();
    await waitFor(async () => (await recordOf("d1", "steady"))?.["expiresAt"]);
    const second = await open(5, two);
    expect((await second.connect({ ...keptFor(60), clean: false })).sessionPresent).toBe(true);
    second.destroy();
    const third = await open(5);
    expect((await third.connect({ ...keptFor(60), clean: true })).sessionPresent).toBe(false);
    third.destroy();
  });

  test("5: expiry 0 ends the session with its connection, at CONNECT and by DISCONNECT", async () => {
    const first = await open(5);
    await first.connect({ ...keptFor(60), clean: false });
    first.send({ cmd: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
    await first.ended();
    await waitFor(async () => (await recordOf("d1", "steady")) === undefined);
    const second = await open(5);
    expect((await second.connect({ clean: false, clientId: "steady" })).sessionPresent).toBe(false);
    second.send({ cmd: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 60 } });
    expect((await second.ended())?.reasonCode).toBe(0x82);
  });

  test("5: a session that has expired is not there", async () => {
    const first = await open(5);
    await first.connect({ ...keptFor(1), clean: false });
    first.destroy();
    const expiresAt = (await waitFor(async () => (await recordOf("d1", "steady"))?.["expiresAt"])) as number;
    await waitFor(() => Date.now() > expiresAt);
    const second = await open(5);
    expect((await second.connect({ ...keptFor(1), clean: false })).sessionPresent).toBe(false);
    second.destroy();
  });

  test("5: a longer expiry than the server's is shortened, and said so", async () => {
    const client = await open(5);
    const connack = await client.connect(keptFor(0xffffffff));
    expect(connack.properties?.sessionExpiryInterval).toBe(604_800);
    client.destroy();
  });

  test("3.1 has no such flag", async () => {
    for (let times = 0; times < 2; times += 1) {
      const client = await open(3);
      expect((await client.connect(persistent)).sessionPresent).toBe(false);
      client.destroy();
    }
  });

  test("client ids are each device's own", async () => {
    const first = await open(4);
    await first.connect(persistent);
    const other = await open(4);
    expect((await other.connect({ ...persistent, username: "acme/d2" })).sessionPresent).toBe(false);
    first.send({ cmd: "pingreq" });
    await first.next("pingresp");
    for (const client of [first, other]) client.destroy();
  });

  test("a device has 16 at most: the one that was written longest ago goes", async () => {
    for (let n = 0; n < 17; n += 1) {
      const client = await open(4);
      await client.connect({ clean: false, clientId: `c${n}` });
      await disconnect(client);
      await waitFor(async () => (await recordOf("d1", `c${n}`))?.["expiresAt"]);
    }
    expect(await recordOf("d1", "c0")).toBeUndefined();
    expect(await recordOf("d1", "c1")).toBeDefined();
    expect(await recordOf("d1", "c16")).toBeDefined();
  });
});

describe("a session that goes on", () => {
  test("has its subscriptions, with their identifiers, and is sent what is owed", async () => {
    const first = await open(5);
    await first.connect({ ...keptFor(60), clean: false });
    await subscribe(first, DESIRED, 77);
    await disconnect(first);
    for (const { models } of [one, two]) {
      models.put("acme", "d1", { configuration: { version: 3, config: { a: 1 }, status: "PENDING" } });
    }
    await waitFor(async () => (await recordOf("d1", "steady"))?.["expiresAt"]);
    // The other gateway has not met the device yet, and reads what stands now.
    const second = await open(5, two);
    expect((await second.connect({ ...keptFor(60), clean: false })).sessionPresent).toBe(true);
    const sent = await second.next("publish");
    expect(sent).toMatchObject({ topic: DESIRED, qos: 1, dup: false, properties: { subscriptionIdentifier: 77 } });
    expect(JSON.parse(sent.payload.toString())).toEqual({ version: 3, config: { a: 1 } });
    second.destroy();
  });

  test("gets again, as a duplicate under the same identifier, what it has not acknowledged, while it is owed", async () => {
    one.models.put("acme", "d1", { configuration: { version: 3, config: { a: 1 }, status: "PENDING" } });
    const first = await open(4);
    await first.connect(persistent);
    await subscribe(first, DESIRED);
    const { messageId } = await first.next("publish");
    await waitFor(async () => ((await recordOf("d1", "steady"))?.["sent"] as unknown[] | undefined)?.length === 1);
    first.destroy();
    await waitFor(async () => (await recordOf("d1", "steady"))?.["expiresAt"]);
    const second = await open(4);
    expect((await second.connect(persistent)).sessionPresent).toBe(true);
    expect(await second.next("publish")).toMatchObject({ messageId, dup: true, qos: 1 });
    // Another version is another message.
    const configuration = { version: 4, config: { a: 2 }, status: "PENDING" } as const;
    announce(nats.nc, one.models.put("acme", "d1", { configuration }));
    const newer = await second.next("publish");
    expect(newer.dup).toBe(false);
    expect(newer.messageId).not.toBe(messageId);
    second.destroy();
  });

  test("knows its QoS 2 identifiers: what comes again has the time of its first coming", async () => {
    const first = await open(4);
    await first.connect(persistent);
    first.publish(TELEMETRY, '{"n":1}', { qos: 2, messageId: 5 });
    await first.next("pubrec");
    first.destroy();
    await waitFor(async () => (await recordOf("d1", "steady"))?.["expiresAt"]);
    const second = await open(4, two);
    expect((await second.connect(persistent)).sessionPresent).toBe(true);
    second.publish(TELEMETRY, '{"n":1}', { qos: 2, messageId: 5, dup: true });
    await second.next("pubrec");
    second.send({ cmd: "pubrel", messageId: 5 });
    await second.next("pubcomp");
    expect((await recordOf("d1", "steady"))?.["received"]).toEqual([]);
    const points = new Set(feed.readings.map(({ timestamp, values }) => `${timestamp} ${JSON.stringify(values)}`));
    expect(points.size).toBe(1);
    second.destroy();
  });

  test("without a kept session the identifiers die with the connection", async () => {
    const first = await open(4);
    await first.connect({ clientId: "brief" });
    first.publish(TELEMETRY, '{"n":1}', { qos: 2, messageId: 5 });
    await first.next("pubrec");
    first.destroy();
    const second = await open(4);
    await second.connect({ clientId: "brief" });
    second.send({ cmd: "pubrel", messageId: 5 });
    await second.next("pubcomp");
    second.publish(TELEMETRY, '{"n":1}', { qos: 2, messageId: 5 });
    await second.next("pubrec");
    await waitFor(() => feed.readings.length === 2);
    expect(feed.readings[0]?.values).toEqual(feed.readings[1]?.values);
    second.destroy();
  });
});

describe("one client has one connection", () => {
  test.each([
    ["the same gateway", () => one],
    ["another gateway", () => two],
  ])("a newer one at %s takes over: 0x8E", async (_where, at) => {
    for (const options of [{ clientId: "steady" }, keptFor(60)]) {
      const first = await open(5);
      await first.connect({ ...options, clean: false });
      const second = await open(5, at());
      await second.connect({ ...options, clean: false });
      expect((await first.ended())?.reasonCode).toBe(0x8e);
      second.publish(TELEMETRY, '{"n":1}', { qos: 2, messageId: 1 });
      await second.next("pubrec");
      second.destroy();
    }
  });

  test("who has lost its session writes nothing over it", async () => {
    const first = await open(5);
    await first.connect({ ...keptFor(60), clean: false });
    // As if a gateway had taken it over whose word did not come here.
    const manager = await nats.nc.jetstreamManager();
    const record = { ...(await recordOf("d1", "steady")), owner: "somebody-else" };
    const subject = subjects.session("acme", "d1", clientToken("steady"));
    await nats.nc.jetstream().publish(subject, JSON.stringify(record));
    first.publish(TELEMETRY, '{"n":1}', { qos: 2, messageId: 1 });
    expect((await first.ended())?.reasonCode).toBe(0x8e);
    const { data } = await manager.streams.getMessage(streams.sessions, { last_by_subj: subject });
    expect(Buffer.from(data).toString("utf8")).toContain("somebody-else");
    expect(feed.readings).toEqual([]);
  });
});
