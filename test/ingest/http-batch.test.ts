/** JSON lines and packed bodies over HTTP, through a real socket to a real JetStream. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createConnection } from "node:net";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { fastify } from "fastify";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { feedFrames, registerDeviceRoutes } from "../../src/ingest/index.js";
import type { Reading } from "../../src/ingest/index.js";
import { deviceId, tenantId } from "../../src/domain/ids.js";
import { silentLogger } from "../../src/platform/logger.js";
import { waitFor } from "../support/wait-for.js";
import { gatewayUnderTest, KEY, natsUnderTest, rejectionsOf } from "./support.js";
import type { GatewayUnderTest, NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let under: GatewayUnderTest;
let app: FastifyInstance;
let origin: string;
let stopFeed: () => void;
const readings: Reading[] = [];
const now = Date.now();

beforeAll(async () => {
  nats = await natsUnderTest();
  under = await gatewayUnderTest(nats.nc);
  under.models.put("acme", "d1");
  under.models.put("acme", "gw");
  app = fastify();
  const { ingest, registry } = under;
  registerDeviceRoutes(app, { ingest, registry, logger: silentLogger, maxPayloadBytes: 2_000 });
  origin = await app.listen({ host: "127.0.0.1", port: 0 });
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
  await app.close();
  await under.stop();
  await nats.stop();
});
beforeEach(() => {
  readings.length = 0;
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

async function send(
  body: string | Buffer,
  headers: Record<string, string> = {},
  path = "acme/d1/telemetry",
): Promise<Answer> {
  const response = await fetch(`${origin}/v1/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/x-ndjson", ...headers },
    body,
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

function lines(count: number): string {
  return Array.from({ length: count }, (_, n) => JSON.stringify({ ts: now + n, values: { n } })).join("\n");
}

describe("JSON lines", () => {
  test("each line is a message, and all of them are stored before the answer", async () => {
    const { status, body } = await send(`${lines(700)}\r\n\n[{"a":1},{"a":2}]\n`);
    expect([status, body]).toEqual([202, { stored: 702 }]);
    await waitFor(() => readings.length === 702);
    expect(readings.slice(0, 700).map(({ values }) => values["n"])).toEqual([...Array(700).keys()]);
  });

  test("a bad line is refused with its number and kept; the good ones beside it are stored", async () => {
    const { status, body } = await send('{"a":1}\nwhat?\n\n{"a":{}}\n{"a":2}');
    expect(status).toBe(207);
    expect(body).toEqual({
      stored: 2,
      refused: [
        { line: 2, code: "MALFORMED_PAYLOAD", message: expect.any(String) as string },
        { line: 4, code: "INVALID_VALUE", message: expect.stringContaining("a:") as string },
      ],
    });
    await waitFor(() => readings.length === 2);
    expect((await rejectionsOf(nats.nc, "acme", "d1")).map(({ payload }) => payload)).toContain("what?");
  });

  test("when no line is taken the status says so, and so does every line up to a bound", async () => {
    const { status, body } = await send("[]\n".repeat(150));
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { code: "MALFORMED_PAYLOAD" }, stored: 0, more: 50 });
    expect((body as { readonly refused: readonly unknown[] }).refused).toHaveLength(100);
  });

  test("sent again with its own times, a batch is the same points", async () => {
    expect((await send(lines(20))).status).toBe(202);
    expect((await send(lines(20))).status).toBe(202);
    await waitFor(() => readings.length === 40);
    expect(new Set(readings.map(({ timestamp, values }) => `${timestamp} ${String(values["n"])}`)).size).toBe(20);
  });

  test("bounds are named: a line's, the lines', the batch's", async () => {
    const long = await send(`{"a":"${"x".repeat(3_000)}"}\n{"a":1}`);
    expect(long).toMatchObject({ status: 207, body: { stored: 1, refused: [{ line: 1, code: "PAYLOAD_TOO_LARGE" }] } });
    const batch = await send(" ".repeat(40_000));
    expect(batch).toMatchObject({
      status: 413,
      body: { error: { message: expect.stringContaining("32000") as string } },
    });
    const many = await send("1\n".repeat(10_001));
    expect(many).toMatchObject({
      status: 413,
      body: { error: { message: expect.stringContaining("10000") as string } },
    });
    expect(await send("\n\n")).toMatchObject({ status: 400 });
  });

  test("reports come one by one", async () => {
    expect(await send('{"battery":1}', {}, "acme/d1/health")).toMatchObject({
      status: 415,
      body: { error: { code: "UNSUPPORTED_FORMAT" } },
    });
  });
});

describe("packed bodies", () => {
  const packers = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync } as const;

  test.each(Object.entries(packers))("%s is unpacked, whatever the content type", async (encoding, pack) => {
    const headers = { "content-encoding": encoding };
    expect(await send(pack(lines(50)), headers)).toMatchObject({ status: 202, body: { stored: 50 } });
    const single = await send(pack('{"a":1}'), { ...headers, "content-type": "application/json" });
    expect(single).toMatchObject({ status: 202, body: { stored: 1 } });
  });

  test("deflate without its head is taken, too", async () => {
    const answer = await send(deflateRawSync('{"a":1}'), { "content-encoding": "deflate" });
    expect(answer.status).toBe(202);
  });

  test("a bomb is not unpacked beyond the bound, which is named", async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000, 0x20));
    expect(bomb.length).toBeLessThan(32_000);
    const answer = await send(bomb, { "content-encoding": "gzip" });
    expect(answer).toMatchObject({
      status: 413,
      body: { error: { message: expect.stringContaining("32000") as string } },
    });
    const single = await send(gzipSync(Buffer.alloc(100_000, 0x20)), {
      "content-encoding": "gzip",
      "content-type": "application/json",
    });
    expect(single).toMatchObject({
      status: 413,
      body: { error: { message: expect.stringContaining("2000") as string } },
    });
  });

  test("what is not what it says, or says what is not offered, is refused", async () => {
    expect(await send("no gzip", { "content-encoding": "gzip" })).toMatchObject({ status: 400 });
    expect(await send("", { "content-encoding": "br" })).toMatchObject({ status: 400 });
    expect(await send("x", { "content-encoding": "zstd" })).toMatchObject({ status: 415 });
    expect(await send("x", { "content-encoding": "gzip, gzip" })).toMatchObject({ status: 415 });
    expect(await send("x", { "content-encoding": "constructor" })).toMatchObject({ status: 415 });
    expect(await send("{}", { "content-type": "image/png" })).toMatchObject({
      status: 415,
      body: { error: { message: expect.stringContaining("application/json") as string } },
    });
  });
});

test("a gateway's key opens its children's paths, and nobody else's", async () => {
  const other = "another-key-that-only-the-child-has";
  const [credential] = under.models.put("acme", "gw").credentials;
  if (credential === undefined) throw new Error("the gateway has no key");
  const own = [{ ...credential, hash: createHash("sha256").update(other).digest("hex") }];
  under.models.put("acme", "child", { credentials: own, gateway: deviceId("gw") });
  under.models.put("acme", "stranger", { credentials: own });
  expect((await send('{"a":1}', {}, "acme/child/telemetry")).status).toBe(202);
  expect((await send('{"a":1}', { authorization: `Bearer ${other}` }, "acme/child/telemetry")).status).toBe(202);
  expect((await send('{"a":1}', {}, "acme/stranger/telemetry")).status).toBe(401);
  await waitFor(() => readings.filter(({ deviceId }) => deviceId === "child").length === 2);
});

test("429 names the limit and says when to come back; a batch is as many messages to it as it has lines, and passes as a whole", async () => {
  const device = { messages: { perSecond: 1, burst: 2 } };
  const about = { _id: "small", tenantId: tenantId("small"), name: "small", revision: 1, createdAt: "", updatedAt: "" };
  under.models.tenants.set("small", { ...about, limits: { device } });
  under.models.put("small", "d1");
  // Eighteen more than the bucket holds, which are owed: nothing else fits for as many seconds.
  expect((await send(lines(20), {}, "small/d1/telemetry")).status).toBe(202);
  const refused = await send('{"a":1}', {}, "small/d1/telemetry");
  expect(refused.status).toBe(429);
  expect(refused.body).toMatchObject({
    error: { code: "LIMIT_EXCEEDED", message: expect.stringMatching(/messages/u) as string },
  });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  await waitFor(async () => (await send('{"a":1}', {}, "small/d1/telemetry")).status === 202);
});

test("one device has its bound of requests under way; others are served", async () => {
  const { port } = new URL(origin);
  const head = `POST /v1/acme/gw/telemetry HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\ncontent-length: 7\r\n\r\n`;
  const slow = await Promise.all(
    Array.from({ length: 32 }, async () => {
      const socket = createConnection({ host: "127.0.0.1", port: Number(port) });
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.write(head);
      return socket;
    }),
  );
  const refused = await waitFor(async () => {
    const answer = await send('{"a":1}', {}, "acme/gw/telemetry");
    return answer.status === 429 ? answer : undefined;
  });
  expect(refused.headers.get("retry-after")).toBe("1");
  expect((await send('{"a":1}')).status).toBe(202);
  for (const socket of slow) socket.destroy();
  await waitFor(async () => (await send('{"a":1}', {}, "acme/gw/telemetry")).status === 202);
});
