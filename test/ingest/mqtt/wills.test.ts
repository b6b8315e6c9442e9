import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { IConnectPacket } from "mqtt-packet";
import { MAX_SESSIONS_PER_DEVICE } from "../../../src/ingest/mqtt/session-record.js";
import { createPendingWills } from "../../../src/ingest/mqtt/wills.js";
import { streams } from "../../../src/platform/subjects.js";
import { waitFor } from "../../support/wait-for.js";
import { gatewayUnderTest, natsUnderTest } from "../support.js";
import type { GatewayUnderTest, NatsUnderTest } from "../support.js";
import { overTcp } from "./raw-client.js";
import type { RawClient, Version } from "./raw-client.js";
import { collectReadings } from "./readings.js";
import type { ReadingsFeed } from "./readings.js";

const TELEMETRY = "v1/acme/d1/telemetry";
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
  for (const { models } of [one, two]) models.put("acme", "d1");
});
afterEach(async () => {
  await Promise.all([one.stop(), two.stop()]);
  feed.readings.length = 0;
  await (await nats.nc.jetstreamManager()).streams.purge(streams.sessions);
});

type Will = NonNullable<IConnectPacket["will"]>;

const will = (more: Partial<Will> = {}): Will => ({
  topic: TELEMETRY,
  payload: Buffer.from('{"dying":1}'),
  qos: 1,
  retain: false,
  ...more,
});

const delayed = (seconds: number, expiry = 60): Partial<IConnectPacket> => ({
  clean: false,
  clientId: "steady",
  will: will({ properties: { willDelayInterval: seconds } }),
  properties: { sessionExpiryInterval: expiry },
});

async function open(version: Version, packet: Partial<IConnectPacket>, at = one): Promise<RawClient> {
  const client = await overTcp(at.gateway.port, version);
  await client.connect(packet);
  return client;
}

/** A reading that comes after all that was under way: what is not there before it does not come. */
async function mark(): Promise<number> {
  const client = await open(4, { clientId: "marker" });
  client.publish(TELEMETRY, '{"mark":1}', { qos: 1, messageId: 1 });
  await client.next("puback");
  client.destroy();
  await waitFor(() => feed.readings.some(({ values }) => values["mark"] === 1));
  return feed.readings.filter(({ values }) => values["dying"] === 1).length;
}

const willStored = (): Promise<boolean> => waitFor(() => wills() === 1);
const wills = (): number => feed.readings.filter(({ values }) => values["dying"] === 1).length;

test.each([0, 1, 2] as const)("a will of QoS %s is stored when the connection is lost", async (qos) => {
  const client = await open(5, { will: will({ qos }) });
  client.destroy();
  await expect(willStored()).resolves.toBe(true);
});

test("DISCONNECT takes it back, and with reason 0x04 does not", async () => {
  const quiet = await open(5, { will: will() });
  quiet.send({ cmd: "disconnect", reasonCode: 0 });
  await quiet.ended();
  expect(await mark()).toBe(0);
  const loud = await open(5, { will: will() });
  loud.send({ cmd: "disconnect", reasonCode: 4 });
  await waitFor(() => wills() === 1);
});

test("a protocol error has the will sent", async () => {
  const client = await open(5, { will: will() });
  client.write(Buffer.from([0x36, 5, 0, 1, 0x61, 0, 1]));
  await expect(willStored()).resolves.toBe(true);
});

test("its content type chooses the codec", async () => {
  // {"dying": 1} in CBOR.
  const payload = Buffer.from([0xa1, 0x65, 0x64, 0x79, 0x69, 0x6e, 0x67, 0x01]);
  const client = await open(5, { will: will({ payload, properties: { contentType: "application/cbor" } }) });
  client.destroy();
  await expect(willStored()).resolves.toBe(true);
});

test("a delayed will comes when its delay has passed, with that time, and no sooner than the session's end allows", async () => {
  const client = await open(5, delayed(1));
  const before = Date.now();
  client.destroy();
  await waitFor(() => wills() === 1);
  const [reading] = feed.readings;
  expect(reading?.timestamp).toBeGreaterThanOrEqual(before + 1_000);
});

test("the delay is no longer than the session lives", async () => {
  const client = await open(5, delayed(3_600, 1));
  client.destroy();
  await expect(willStored()).resolves.toBe(true);
});

test.each([
  ["the same gateway", () => one],
  ["another gateway", () => two],
])("who comes back in time, to %s, has not died", async (_where, at) => {
  const client = await open(5, delayed(5));
  client.destroy();
  await waitFor(async () => (await lastRecord())?.["will"] !== undefined);
  const back = await open(5, { ...delayed(5), will: will({ payload: Buffer.from('{"other":1}') }) }, at());
  const due = Date.now() + 5_000;
  await waitFor(() => Date.now() > due + 200);
  expect(await mark()).toBe(0);
  back.send({ cmd: "disconnect", reasonCode: 0 });
  await back.ended();
});

test("a clean start ends the session, and with it the wait", async () => {
  const client = await open(5, delayed(3_600));
  client.destroy();
  await waitFor(async () => (await lastRecord())?.["will"] !== undefined);
  const other = await open(5, { clean: true, clientId: "steady" }, two);
  await expect(willStored()).resolves.toBe(true);
  other.destroy();
});

test("a gateway that is gone leaves it in the record: whoever takes the session up later sends it, once due", async () => {
  const client = await open(5, delayed(5));
  client.destroy();
  const record = await waitFor(async () => {
    const found = await lastRecord();
    return found?.["will"] === undefined ? undefined : found;
  });
  // Its timers go with it.
  await one.gateway.stop();
  const { dueAt } = record["will"] as { dueAt: number };
  await waitFor(() => Date.now() > dueAt);
  const back = await open(5, { ...delayed(5), will: will({ payload: Buffer.from('{"other":1}') }) }, two);
  await waitFor(() => wills() === 1);
  expect(feed.readings[0]?.timestamp).toBe(dueAt);
  back.send({ cmd: "disconnect", reasonCode: 0 });
});

test.each([
  ["another device's topic", 5, will({ topic: "v1/other/d1/telemetry" }), 0x87],
  ["another device's topic", 4, will({ topic: "v1/other/d1/telemetry" }), 5],
  ["a retained will", 5, will({ retain: true }), 0x9a],
] as const)("%s in version %s is refused at log-in", async (_what, version, asked, code) => {
  const client = await overTcp(one.gateway.port, version);
  const { reasonCode, returnCode } = await client.connect({ will: asked });
  expect(reasonCode ?? returnCode).toBe(code);
  await client.ended();
});

async function lastRecord(): Promise<Record<string, unknown> | undefined> {
  const manager = await nats.nc.jetstreamManager();
  try {
    const { data } = await manager.streams.getMessage(streams.sessions, {
      last_by_subj: "fleetlog-sessions.acme.d1.*",
    });
    return JSON.parse(Buffer.from(data).toString("utf8")) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

test("a device that dies under ever new names waits for no more wills than it has sessions", () => {
  const wills = createPendingWills();
  const sent: string[] = [];
  const die = (session: string): void => {
    const pending = { topic: TELEMETRY, payload: "", dueAt: Date.now() + 3_600_000 };
    wills.schedule(session, pending, () => sent.push(session));
  };
  die("acme/d2/other");
  for (let n = 0; n < MAX_SESSIONS_PER_DEVICE; n += 1) die(`acme/d1/client/${n}`);
  // Once more the same: the newest of its names now.
  die("acme/d1/client/0");
  expect(sent).toEqual([]);
  die("acme/d1/one more");
  die("acme/d1/and another");
  expect(sent).toEqual(["acme/d1/client/1", "acme/d1/client/2"]);
  expect(wills.cancel("acme/d1/client/1")).toBeUndefined();
  expect(wills.cancel("acme/d1/client/0")).toBeDefined();
  expect(wills.cancel("acme/d2/other")).toBeDefined();
  wills.stop();
});
