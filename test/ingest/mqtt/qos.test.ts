import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { waitFor } from "../../support/wait-for.js";
import { gatewayUnderTest, natsUnderTest, rejectionsOf } from "../support.js";
import type { GatewayUnderTest, NatsUnderTest } from "../support.js";
import { overTcp } from "./raw-client.js";
import type { RawClient, Version } from "./raw-client.js";
import { collectReadings } from "./readings.js";
import type { ReadingsFeed } from "./readings.js";

const TELEMETRY = "v1/acme/d1/telemetry";
let nats: NatsUnderTest;
let under: GatewayUnderTest;
let feed: ReadingsFeed;

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

async function open(version: Version): Promise<RawClient> {
  const client = await overTcp(under.gateway.port, version);
  await client.connect();
  return client;
}

const numbers = (): unknown[] => feed.readings.map(({ values }) => values["n"]);

describe.each([3, 4, 5] as const)("QoS 2 in version %s", (version) => {
  test("PUBREC says stored, PUBREL releases, PUBCOMP ends it", async () => {
    const client = await open(version);
    client.publish(TELEMETRY, '{"n":1}', { qos: 2, messageId: 7 });
    expect((await client.next("pubrec")).messageId).toBe(7);
    await waitFor(() => feed.readings.length === 1);
    client.send({ cmd: "pubrel", messageId: 7 });
    expect((await client.next("pubcomp")).messageId).toBe(7);
    client.destroy();
  });

  test("an identifier that is not released is answered and not stored again; released, it is free", async () => {
    const client = await open(version);
    client.publish(TELEMETRY, '{"n":1}', { qos: 2, messageId: 7 });
    await client.next("pubrec");
    client.publish(TELEMETRY, '{"n":1}', { qos: 2, messageId: 7, dup: true });
    await client.next("pubrec");
    client.send({ cmd: "pubrel", messageId: 7 });
    await client.next("pubcomp");
    client.publish(TELEMETRY, '{"n":2}', { qos: 2, messageId: 7 });
    await client.next("pubrec");
    await waitFor(() => numbers().includes(2));
    expect(numbers()).toEqual([1, 2]);
    client.destroy();
  });

  test("PUBRECs leave in the order of their messages, also where one of them is refused", async () => {
    const client = await open(version);
    for (const id of [3, 1, 2]) {
      client.publish(TELEMETRY, id === 1 ? "nonsense" : `{"n":${id}}`, { qos: 2, messageId: id });
    }
    const ids = [await client.next("pubrec"), await client.next("pubrec"), await client.next("pubrec")];
    expect(ids.map(({ messageId }) => messageId)).toEqual([3, 1, 2]);
    expect(ids[1]?.reasonCode).toBe(version === 5 ? 0x99 : undefined);
    expect((await rejectionsOf(nats.nc, "acme", "d1")).at(-1)).toMatchObject({ payload: "nonsense" });
    client.destroy();
  });

  test("PUBREL for an unknown identifier is completed, and version 5 is told", async () => {
    const client = await open(version);
    client.send({ cmd: "pubrel", messageId: 99 });
    expect(await client.next("pubcomp")).toMatchObject({
      messageId: 99,
      ...(version === 5 ? { reasonCode: 0x92 } : {}),
    });
    client.destroy();
  });
});

describe("what breaks a rule ends the connection, and says which", () => {
  test("more messages than the receive maximum: 0x93", async () => {
    const client = await overTcp(under.gateway.port, 5);
    const connack = await client.connect();
    const maximum = connack.properties?.receiveMaximum ?? 0;
    expect(maximum).toBeGreaterThan(0);
    const pid = nats.server.pid() ?? Number.NaN;
    // Nothing is acknowledged while JetStream stands still.
    process.kill(pid, "SIGSTOP");
    try {
      for (let id = 1; id <= maximum + 1; id += 1) client.publish(TELEMETRY, "{}", { qos: 1, messageId: id });
      expect((await client.ended())?.reasonCode).toBe(0x93);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  test.each([
    [4, undefined],
    [5, 0x93],
  ] as const)("version %s: QoS 2 messages that are never released count against it", async (version, code) => {
    const client = await open(version);
    const answered = (): number => client.packets.filter(({ cmd }) => cmd === "pubrec").length;
    // Each is answered, so nothing but the identifiers is held.
    for (let id = 1; id <= 1_024; id += 1) {
      client.publish(TELEMETRY, `{"n":${id}}`, { qos: 2, messageId: id });
      if (id % 128 === 0) await waitFor(() => answered() === id);
    }
    client.publish(TELEMETRY, '{"n":0}', { qos: 2, messageId: 2_000 });
    expect((await client.ended())?.reasonCode).toBe(code);
  });

  test.each([
    ["QoS 3", Buffer.from([0x36, 5, 0, 1, 0x61, 0, 1]), 0x81],
    ["a duplicate of QoS 0", Buffer.from([0x38, 4, 0, 1, 0x61, 0]), 0x81],
    ["packet identifier 0", Buffer.from([0x32, 6, 0, 1, 0x61, 0, 0, 0]), 0x81],
    ["PUBREL with wrong flags", Buffer.from([0x60, 2, 0, 1]), 0x81],
  ])("%s", async (_what, bytes, code) => {
    const client = await open(5);
    client.write(bytes);
    const end = await client.ended();
    expect(end?.reasonCode).toBe(code);
    expect(end?.properties?.reasonString).not.toBe("");
  });
});

test("codes of the error table that PUBACK cannot carry become one that it can, and the reason string says the rest", async () => {
  const client = await open(5);
  client.publish(TELEMETRY, "x", { qos: 1, messageId: 1, properties: { contentType: "image/png" } });
  const puback = await client.next("puback");
  expect([0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]).toContain(puback.reasonCode);
  expect(puback.properties?.reasonString).toContain("image/png");
  client.destroy();
});
