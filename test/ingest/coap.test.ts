/** The rules of RFC 7252, 7641 and 7959, datagram by datagram, against the real door and a real JetStream. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ParsedPacket } from "coap-packet";
import { credentialId, deviceId, tenantId } from "../../src/domain/ids.js";
import { startCoapDoor } from "../../src/ingest/coap/door.js";
import type { CoapDoor } from "../../src/ingest/coap/door.js";
import { feedFrames } from "../../src/ingest/index.js";
import type { Reading } from "../../src/ingest/index.js";
import { silentLogger } from "../../src/platform/logger.js";
import { waitFor } from "../support/wait-for.js";
import { blockBytes, newMessageId, rawClient, request, uintBytes } from "./coap-client.js";
import type { RawClient, RequestOptions } from "./coap-client.js";
import { announce, gatewayUnderTest, KEY, natsUnderTest, rejectionsOf } from "./support.js";
import type { GatewayUnderTest, NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let under: GatewayUnderTest;
let door: CoapDoor;
let client: RawClient;
let stopFeed: () => void;
const readings: Reading[] = [];
const query = [`key=${KEY}`];
const MAX_PAYLOAD = 4_000;

beforeAll(async () => {
  nats = await natsUnderTest();
  under = await gatewayUnderTest(nats.nc);
  const { ingest, registry } = under;
  door = await startCoapDoor(
    { ingest, registry, logger: silentLogger },
    // However long this machine takes: the answer comes in the acknowledgement.
    { host: "127.0.0.1", port: 0, maxPayloadBytes: MAX_PAYLOAD, drainMs: 1_000, acknowledgeAfterMs: 60_000 },
  );
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
  await door.stop();
  await under.stop();
  await nats.stop();
});
beforeEach(async () => {
  readings.length = 0;
  client = await rawClient(door.port);
  const document = under.models.put("acme", "d1", { status: "ACTIVE", configuration: { version: 0, config: {} } });
  announce(nats.nc, document);
  await waitFor(async () => (await under.registry.find("acme", "d1"))?.revision === document.revision);
});
afterEach(() => client.close());

function ask(options: Partial<RequestOptions> = {}): Promise<ParsedPacket> {
  const packet = request({ path: "v1/acme/d1/telemetry", query, payload: '{"a":1}', ...options });
  client.send(packet);
  return client.next(({ token, code }) => code !== "0.00" && token.equals(packet.token));
}

function observing(value: 0 | 1): RequestOptions["options"] {
  return [{ name: "Observe", value: uintBytes(value) }];
}

function acknowledge({ messageId }: ParsedPacket): void {
  client.send({ code: "0.00", ack: true, messageId });
}

function option(packet: ParsedPacket, name: string): number | undefined {
  const found = packet.options.find((one) => one.name === name);
  return found === undefined ? undefined : found.value.length === 0 ? 0 : found.value.readUIntBE(0, found.value.length);
}

async function configure(version: number, config: Record<string, string | number>): Promise<void> {
  announce(nats.nc, under.models.put("acme", "d1", { configuration: { version, config } }));
  await waitFor(() => under.registry.peek("acme", "d1")?.configuration.version === version);
}

describe("a request", () => {
  test.each(["POST", "PUT"])("%s: 2.04 in the acknowledgement means stored", async (code) => {
    const answer = await ask({ code, payload: '[{"a":1},{"a":2}]' });
    expect(answer).toMatchObject({ code: "2.04", ack: true });
    await waitFor(() => readings.length === 2);
  });

  test("one that is not confirmable is answered alike, with a message id of ours", async () => {
    const packet = request({ path: "v1/acme/d1/telemetry", query, payload: '{"a":1}', confirmable: false });
    client.send(packet);
    const answer = await client.next();
    expect(answer).toMatchObject({ code: "2.04", ack: false, confirmable: false, token: packet.token });
    await waitFor(() => readings.length === 1);
  });

  test("sent again it gets the same answer, and is stored once", async () => {
    const packet = request({ path: "v1/acme/d1/telemetry", query, payload: '{"again":1}' });
    for (let n = 0; n < 5; n += 1) client.send(packet);
    await client.next();
    for (let n = 0; n < 3; n += 1) client.send(packet);
    for (let n = 0; n < 3; n += 1) {
      expect(await client.next()).toMatchObject({ code: "2.04", ack: true, messageId: packet.messageId });
    }
    await ask({ payload: '{"last":1}' });
    await waitFor(() => readings.some(({ values }) => values["last"] === 1));
    expect(readings.filter(({ values }) => values["again"] === 1)).toHaveLength(1);
  });

  test("another message under the same id, from an address that has changed hands, is another message", async () => {
    const messageId = newMessageId();
    await ask({ messageId, payload: '{"first":1}' });
    expect(await ask({ messageId, payload: '{"second":1}', token: Buffer.from("2") })).toMatchObject({ code: "2.04" });
    expect(await ask({ messageId, query: ["key=no"], token: Buffer.from("3") })).toMatchObject({ code: "4.01" });
    await waitFor(() => readings.some(({ values }) => values["second"] === 1));
  });

  test("reports are taken", async () => {
    expect(await ask({ path: "v1/acme/d1/health", payload: '{"battery":5}' })).toMatchObject({ code: "2.04" });
    const report = '{"version":1,"status":"applied"}';
    expect(await ask({ path: "v1/acme/d1/config/reported", payload: report })).toMatchObject({ code: "2.04" });
  });

  test.each<[string, Partial<RequestOptions>, string]>([
    ["no key", { query: [] }, "4.01"],
    ["a wrong key", { query: ["key=no"] }, "4.01"],
    ["an unknown device", { path: "v1/acme/nobody/telemetry" }, "4.01"],
    ["another tenant's device", { path: "v1/other/d1/telemetry" }, "4.01"],
    ["a path that is none", { path: "v1/acme/d1/nothing" }, "4.04"],
    ["a GET of what is only sent", { code: "GET" }, "4.05"],
    ["a DELETE", { code: "DELETE" }, "4.05"],
    ["malformed JSON", { payload: "{" }, "4.00"],
    ["a wrong type", { payload: '{"a":[]}' }, "4.22"],
    ["a Content-Format that nobody reads", { options: [{ name: "Content-Format", value: uintBytes(41) }] }, "4.15"],
    ["a critical option that nobody knows", { options: [{ name: "9", value: Buffer.from("x") }] }, "4.02"],
    ["a proxy", { options: [{ name: "Proxy-Uri", value: Buffer.from("coap://x") }] }, "5.05"],
    ["too much in one datagram", { payload: `{"a":"${"x".repeat(5_000)}"}` }, "4.13"],
  ])("%s gets one clear answer", async (_what, options, code) => {
    const answer = await ask(options);
    expect(answer.code).toBe(code);
    expect(answer.payload.toString()).toMatch(/\w+ \w+/u);
  });

  test("an elective option that nobody knows is passed over", async () => {
    expect(await ask({ options: [{ name: "2048", value: Buffer.from("x") }] })).toMatchObject({ code: "2.04" });
  });

  test("Content-Format chooses the codec, and none says nothing", async () => {
    const json = [{ name: "Content-Format", value: uintBytes(50) }];
    expect(await ask({ options: json })).toMatchObject({ code: "2.04" });
    expect(await ask({ options: [{ name: "Content-Format", value: uintBytes(42) }] })).toMatchObject({ code: "2.04" });
    expect(
      await ask({ path: "v1/acme/d1/health", options: [{ name: "Content-Format", value: uintBytes(60) }] }),
    ).toMatchObject({ code: "4.15" });
  });

  test("an unknown device and a wrong key cannot be told apart, and the answer is short", async () => {
    const [one, other] = [await ask({ query: ["key=no"] }), await ask({ path: "v1/acme/nobody/telemetry" })];
    expect(one.payload).toEqual(other.payload);
    expect(one.payload.length).toBeLessThan(40);
  });

  test("what is refused is kept, without the key", async () => {
    await ask({ payload: "what?" });
    const kept = (await rejectionsOf(nats.nc, "acme", "d1")).at(-1);
    expect(kept).toMatchObject({ door: "coap", topic: "/v1/acme/d1/telemetry", payload: "what?" });
    expect(JSON.stringify(kept)).not.toContain(KEY);
  });

  test("a device that is not active is told so", async () => {
    announce(nats.nc, under.models.put("acme", "d1", { status: "DECOMMISSIONED" }));
    await waitFor(() => under.registry.peek("acme", "d1")?.status === "DECOMMISSIONED");
    expect(await ask()).toMatchObject({ code: "4.03" });
  });

  test("while the registry is away the answer says when to come back", async () => {
    under.models.failure = new Error("connect ECONNREFUSED 10.0.0.7:27017");
    const answer = await ask({ path: "v1/acme/unheard/telemetry" });
    under.models.failure = undefined;
    expect([answer.code, option(answer, "Max-Age")]).toEqual(["5.03", 2]);
    expect(answer.payload.toString()).not.toContain("10.0.0.7");
  });

  test("what takes long is acknowledged first and answered separately, until that is acknowledged", async () => {
    const deps = { ingest: under.ingest, registry: under.registry, logger: silentLogger };
    const options = { host: "127.0.0.1", port: 0, maxPayloadBytes: MAX_PAYLOAD, drainMs: 1_000 };
    const slow = await startCoapDoor(deps, { ...options, acknowledgeAfterMs: 50 });
    client.close();
    client = await rawClient(slow.port);
    process.kill(nats.server.pid() ?? 0, "SIGSTOP");
    const packet = request({ path: "v1/acme/d1/telemetry", query, payload: '{"slow":1}' });
    client.send(packet);
    expect(await client.next()).toMatchObject({ code: "0.00", ack: true, messageId: packet.messageId });
    client.send(packet);
    expect(await client.next()).toMatchObject({ code: "0.00", ack: true, messageId: packet.messageId });
    process.kill(nats.server.pid() ?? 0, "SIGCONT");
    const first = await client.next();
    expect(first).toMatchObject({ code: "2.04", confirmable: true, token: packet.token });
    const again = await client.next();
    expect(again).toMatchObject({ code: "2.04", messageId: first.messageId });
    client.send({ code: "0.00", ack: true, messageId: first.messageId });
    await waitFor(() => readings.filter(({ values }) => values["slow"] === 1).length === 1);
    await slow.stop();
  });
});

describe("the message layer", () => {
  test("a ping is answered with a reset; what is malformed too, if it asked for an answer", async () => {
    client.send({ code: "0.00", confirmable: true, messageId: 7 });
    expect(await client.next()).toMatchObject({ reset: true, messageId: 7 });
    // A marker without a payload; an option that is cut off; a token that is too long.
    for (const [id, rest] of [
      [8, "ff"],
      [9, "b5616263"],
      [10, ""],
    ] as const) {
      const head = Buffer.from([id === 10 ? 0x4f : 0x40, 2, 0, id]);
      client.send(Buffer.concat([head, Buffer.from(rest, "hex")]));
      expect(await client.next()).toMatchObject({ reset: true, messageId: id });
    }
    client.send(Buffer.from("500200ffff", "hex"));
    client.send(Buffer.from("c0", "hex"));
    expect(await ask()).toMatchObject({ code: "2.04" });
    expect(client.received.filter(({ messageId }) => messageId === 255)).toEqual([]);
  });

  test("discovery is answered in few bytes", async () => {
    const answer = await ask({ code: "GET", path: ".well-known/core", query: [], payload: "" });
    expect([answer.code, option(answer, "Content-Format"), answer.payload.toString()]).toEqual([
      "2.05",
      40,
      '</v1>;title="Fleetlog"',
    ]);
  });
});

describe("blocks up", () => {
  const body = JSON.stringify(Array.from({ length: 100 }, (_, n) => ({ values: { n } })));

  function send(num: number, size = 256, last = Math.ceil(body.length / size) - 1): Promise<ParsedPacket> {
    const part = body.slice(num * size, (num + 1) * size);
    return ask({ payload: part, options: [{ name: "Block1", value: blockBytes(num, num < last, size) }] });
  }

  test("are put together, and stored with the last", async () => {
    const last = Math.ceil(body.length / 256) - 1;
    for (let num = 0; num < last; num += 1) {
      const answer = await send(num);
      expect([answer.code, option(answer, "Block1")]).toEqual(["2.31", (num << 4) | 8 | 4]);
    }
    expect(readings).toHaveLength(0);
    const answer = await send(last);
    expect([answer.code, option(answer, "Block1")]).toEqual(["2.04", (last << 4) | 4]);
    await waitFor(() => readings.length === 100);
  });

  test("out of their order are sent back to the beginning", async () => {
    await send(0);
    expect((await send(2)).code).toBe("4.08");
    expect((await send(0)).code).toBe("2.31");
    expect((await send(1)).code).toBe("2.31");
  });

  test("more than the bound is refused with the bound, at the first word about it or on the way", async () => {
    const announced = await ask({
      payload: "x".repeat(64),
      options: [
        { name: "Block1", value: blockBytes(0, true, 64) },
        { name: "Size1", value: uintBytes(5_000) },
      ],
    });
    expect([announced.code, option(announced, "Size1")]).toEqual(["4.13", MAX_PAYLOAD]);
    let answer: ParsedPacket | undefined;
    for (let num = 0; num < 5; num += 1) {
      answer = await ask({
        payload: "x".repeat(1_024),
        options: [{ name: "Block1", value: blockBytes(num, true, 1_024) }],
      });
      if (answer.code !== "2.31") break;
    }
    expect(answer?.code).toBe("4.13");
  });

  test("a block that is shorter than it says, or of the reserved size, is refused", async () => {
    const short = await ask({ payload: "xx", options: [{ name: "Block1", value: blockBytes(0, true, 64) }] });
    expect(short.code).toBe("4.00");
    expect((await ask({ options: [{ name: "Block1", value: Buffer.from([7]) }] })).code).toBe("4.00");
  });
});

describe("the configuration", () => {
  const path = "v1/acme/d1/config/desired";
  const get = (options: RequestOptions["options"] = [], token?: Buffer): Promise<ParsedPacket> =>
    ask({ code: "GET", path, payload: "", options, ...(token === undefined ? {} : { token }) });

  test("is empty before there is one, then JSON with a tag that saves it from being sent again", async () => {
    expect(await get()).toMatchObject({ code: "2.05", payload: Buffer.alloc(0) });
    await configure(2, { every: 5 });
    const answer = await get();
    expect([answer.code, option(answer, "Content-Format"), JSON.parse(answer.payload.toString())]).toEqual([
      "2.05",
      50,
      { version: 2, config: { every: 5 } },
    ]);
    const etag = answer.options.find(({ name }) => name === "ETag");
    if (etag === undefined) throw new Error("there is no ETag");
    const valid = await get([{ name: "ETag", value: etag.value }]);
    expect(valid).toMatchObject({ code: "2.03", payload: Buffer.alloc(0) });
    expect((await get([{ name: "Accept", value: uintBytes(60) }])).code).toBe("4.06");
  });

  test("that is long comes in blocks of the size that was asked for", async () => {
    await configure(3, { long: "x".repeat(3_000) });
    const whole: Buffer[] = [];
    for (let num = 0; ; num += 1) {
      const answer = await get([{ name: "Block2", value: blockBytes(num, false, 512) }]);
      whole.push(answer.payload);
      if (((option(answer, "Block2") ?? 0) & 8) === 0) break;
    }
    expect(whole).toHaveLength(6);
    expect(JSON.parse(Buffer.concat(whole).toString())).toMatchObject({ version: 3 });
    const first = await get();
    expect(first.payload).toHaveLength(1_024);
    expect(option(first, "Size2")).toBe(Buffer.concat(whole).length);
    expect((await get([{ name: "Block2", value: blockBytes(99, false, 512) }])).code).toBe("4.00");
  });

  test("is told to who observes it, the newest only, in rising order", async () => {
    const token = Buffer.from("watch");
    const first = await get(observing(0), token);
    expect([first.code, first.payload.length]).toEqual(["2.05", 0]);
    await configure(4, { n: 4 });
    const told = await client.next((packet) => packet.confirmable && packet.token.equals(token));
    expect(JSON.parse(told.payload.toString())).toMatchObject({ version: 4 });
    expect(option(told, "Observe")).toBeGreaterThan(option(first, "Observe") ?? 0);
    await configure(5, { n: 5 });
    await configure(6, { n: 6 });
    acknowledge(told);
    const newest = await client.next(({ confirmable, messageId }) => confirmable && messageId !== told.messageId);
    expect(JSON.parse(newest.payload.toString())).toMatchObject({ version: 6 });
    acknowledge(newest);
    await get(observing(1), token);
    await configure(7, { n: 7 });
    await ask();
    expect(client.received.some(({ payload }) => payload.toString().includes('"version":7'))).toBe(false);
  });

  test("is no longer told to who answers with a reset, nor to more observers of a device than the bound", async () => {
    const token = Buffer.from("gone");
    await get(observing(0), token);
    await configure(8, {});
    const told = await client.next((packet) => packet.confirmable && packet.token.equals(token));
    client.send({ code: "0.00", reset: true, messageId: told.messageId });
    await ask();
    await configure(9, {});
    for (let n = 0; n < 6; n += 1) await get(observing(0), Buffer.from([n]));
    await configure(10, {});
    await waitFor(
      () => client.received.filter(({ payload }) => payload.toString().includes('"version":10')).length >= 4,
    );
    await ask();
    const tokens = client.received
      .filter(({ confirmable, payload }) => confirmable && payload.toString().includes('"version":10'))
      .map((packet) => packet.token.toString("hex"));
    expect(new Set(tokens)).toEqual(new Set(["02", "03", "04", "05"]));
    expect(client.received.some((packet) => packet.token.equals(token) && option(packet, "ETag") === 9)).toBe(false);
  });

  test("is denied to an observer whose key was revoked, and that ends it", async () => {
    const token = Buffer.from("revoked");
    await get(observing(0), token);
    const { credentials } = under.models.put("acme", "d1");
    announce(
      nats.nc,
      under.models.put("acme", "d1", {
        credentials: credentials.map((one) => ({ ...one, revokedAt: new Date().toISOString() })),
      }),
    );
    const told = await client.next((packet) => packet.confirmable && packet.token.equals(token));
    expect(told.code).toBe("4.01");
    acknowledge(told);
    announce(nats.nc, under.models.put("acme", "d1", { credentials }));
    await waitFor(() => under.registry.peek("acme", "d1")?.credentials[0]?.revokedAt === undefined);
  });
});

describe("a gateway's key", () => {
  test("opens its children's paths and configuration, until it is no longer their gateway", async () => {
    const [credential] = under.models.put("acme", "d1").credentials;
    if (credential === undefined) throw new Error("there is no key");
    const own = [
      { ...credential, credentialId: credentialId("00000000-0000-4000-8000-000000000002"), hash: "00".repeat(32) },
    ];
    under.models.put("acme", "child", { credentials: own, gateway: deviceId("d1") });
    expect(await ask({ path: "v1/acme/child/telemetry", payload: '{"child":1}' })).toMatchObject({ code: "2.04" });
    await waitFor(() => readings.some((reading) => reading.deviceId === "child" && reading.values["child"] === 1));
    const token = Buffer.from("child");
    const get = { path: "v1/acme/child/config/desired", code: "GET", payload: "", token, options: observing(0) ?? [] };
    expect(await ask(get)).toMatchObject({ code: "2.05" });
    announce(nats.nc, under.models.put("acme", "child", { configuration: { version: 1, config: { a: 1 } } }));
    const told = await client.next((packet) => packet.confirmable && packet.token.equals(token));
    expect(told.payload.toString()).toContain('"version":1');
    acknowledge(told);
    announce(nats.nc, under.models.put("acme", "child", { gateway: deviceId("another") }));
    const over = await client.next((packet) => packet.confirmable && packet.messageId !== told.messageId);
    expect(over.code).toBe("4.01");
    acknowledge(over);
    expect(await ask({ path: "v1/acme/child/telemetry" })).toMatchObject({ code: "4.01" });
  });
});

describe("ThingsBoard's paths", () => {
  test("take its telemetry and attributes, the key in the path, and keep it nowhere", async () => {
    const telemetry = await ask({
      path: `api/v1/${KEY}/telemetry`,
      query: [],
      payload: '{"ts":1767225600000,"values":{"tb":1}}',
    });
    expect(telemetry.code).toBe("2.01");
    await waitFor(() => readings.some(({ values }) => values["tb"] === 1));
    expect(
      await ask({ path: `api/v1/${KEY}/attributes`, query: [], payload: '{"firmwareVersion":"1.2"}' }),
    ).toMatchObject({
      code: "2.01",
    });
    await ask({ path: `api/v1/${KEY}/telemetry`, query: [], payload: "what?" });
    expect(JSON.stringify(await rejectionsOf(nats.nc, "acme", "d1"))).not.toContain(KEY);
    expect(await ask({ path: "api/v1/no-such-token/telemetry", query: [] })).toMatchObject({ code: "4.01" });
  });

  test("give the configuration as shared attributes", async () => {
    await configure(20, { every: 5, unit: "Cel" });
    const answer = await ask({
      code: "GET",
      path: `api/v1/${KEY}/attributes`,
      query: ["sharedKeys=every,other"],
      payload: "",
    });
    expect([answer.code, JSON.parse(answer.payload.toString())]).toEqual(["2.05", { shared: { every: 5 } }]);
  });
});

describe("limits and bounds", () => {
  test("4.29 names the limit and says when to come back; what is sent again after that is stored", async () => {
    const device = { messages: { perSecond: 1, burst: 2 } };
    const about = {
      _id: "small",
      tenantId: tenantId("small"),
      name: "small",
      revision: 1,
      createdAt: "",
      updatedAt: "",
    };
    under.models.tenants.set("small", { ...about, limits: { device } });
    under.models.put("small", "d1");
    const packet = request({ path: "v1/small/d1/telemetry", query, payload: '{"limited":1}' });
    const answers: ParsedPacket[] = [];
    for (let n = 0; n < 4; n += 1) answers.push(await ask({ path: "v1/small/d1/telemetry" }));
    const refused = answers.find(({ code }) => code === "4.29");
    expect(answers[0]?.code).toBe("2.04");
    expect(refused?.payload.toString()).toMatch(/messages/u);
    expect(refused === undefined ? 0 : option(refused, "Max-Age")).toBeGreaterThanOrEqual(1);
    // The same message, again and again: its refusal is not remembered.
    const code = await waitFor(
      async () => {
        client.send(packet);
        const answer = await client.next(({ token }) => token.equals(packet.token));
        return answer.code === "2.04" && answer.code;
      },
      { everyMs: 200 },
    );
    expect(code).toBe("2.04");
  });

  test("while the storage is full the answer is 5.03, at once, and nothing is lost of what was taken", async () => {
    process.kill(nats.server.pid() ?? 0, "SIGSTOP");
    const flood = await rawClient(door.port);
    let full: ParsedPacket | undefined;
    const big = JSON.stringify(Array.from({ length: 100 }, (_, n) => ({ full: n })));
    try {
      full = await waitFor(
        () => {
          for (let n = 0; n < 100; n += 1) {
            flood.send(request({ path: "v1/acme/d1/telemetry", query, payload: big, confirmable: false }));
          }
          return flood.received.find(({ code }) => code === "5.03");
        },
        { everyMs: 50 },
      );
    } finally {
      process.kill(nats.server.pid() ?? 0, "SIGCONT");
    }
    expect(option(full, "Max-Age")).toBe(2);
    flood.close();
    await waitFor(async () => (await ask()).code === "2.04");
  });
});

test("a message id is given to a peer once within its lifetime", async () => {
  const seen = new Set<number>();
  for (let n = 0; n < 50; n += 1) {
    client.send(request({ path: ".well-known/core", code: "GET", confirmable: false, messageId: newMessageId() }));
    seen.add((await client.next()).messageId);
  }
  expect(seen.size).toBe(50);
});
