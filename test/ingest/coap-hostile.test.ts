/** No datagram crashes the CoAP doors, wedges them, or disturbs the others. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate, parse } from "coap-packet";
import { array, assert, asyncProperty, constantFrom, integer, nat, property, record, uint8Array } from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAssemblies } from "../../src/ingest/coap/assembly.js";
import { startCoapDoor, startCoapsDoor } from "../../src/ingest/coap/door.js";
import type { CoapDoor } from "../../src/ingest/coap/door.js";
import { decode, encode } from "../../src/ingest/coap/message.js";
import type { MessageType } from "../../src/ingest/coap/message.js";
import { messageBytes, uint16, vector } from "../../src/ingest/coap/dtls/handshake.js";
import { recordBytes } from "../../src/ingest/coap/dtls/records.js";
import { silentLogger } from "../../src/platform/logger.js";
import { loadServerCertificate } from "../../src/tls/index.js";
import type { ServerCertificate } from "../../src/tls/index.js";
import { newMessageId, rawClient, request } from "./coap-client.js";
import { gatewayUnderTest, KEY, natsUnderTest } from "./support.js";
import type { GatewayUnderTest, NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let under: GatewayUnderTest;
let door: CoapDoor;
let secure: CoapDoor;
let certificate: ServerCertificate;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "fleetlog-coap-"));
  nats = await natsUnderTest();
  under = await gatewayUnderTest(nats.nc);
  under.models.put("acme", "d1");
  certificate = await loadServerCertificate({ dataDir: dir, logger: silentLogger });
  const deps = { ingest: under.ingest, registry: under.registry, logger: silentLogger };
  const options = { host: "127.0.0.1", port: 0, maxPayloadBytes: 10_000, drainMs: 1_000, acknowledgeAfterMs: 60_000 };
  door = await startCoapDoor(deps, options);
  secure = await startCoapsDoor(deps, { ...options, certificate });
});
afterAll(async () => {
  await door.stop();
  await secure.stop();
  await certificate.stop();
  await under.stop();
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

const query = [`key=${KEY}`];

/** A device of the others' is still served. */
async function stillOpen(): Promise<string> {
  const witness = await rawClient(door.port);
  witness.send(request({ path: "v1/acme/d1/telemetry", query, payload: '{"a":1}' }));
  const { code } = await witness.next();
  witness.close();
  return code;
}

async function flood(port: number, datagrams: readonly Uint8Array[]): Promise<void> {
  const socket: Socket = createSocket("udp4");
  socket.on("error", () => {});
  for (const datagram of datagrams) {
    await new Promise<void>((resolve) => socket.send(datagram, port, "127.0.0.1", () => resolve()));
  }
  socket.close();
}

const option = record({ number: nat(3_000), value: uint8Array({ maxLength: 300 }) });
const message = record({
  type: constantFrom<MessageType[]>(0, 1),
  code: integer({ min: 1, max: 31 }),
  id: nat(0xffff),
  token: uint8Array({ maxLength: 8 }),
  options: array(option, { maxLength: 12 }),
  payload: uint8Array({ maxLength: 100 }),
});

describe("the message format", () => {
  test("what is written is read again, and another implementation reads the same", () => {
    assert(
      property(message, (given) => {
        const buffers = {
          ...given,
          token: Buffer.from(given.token),
          payload: Buffer.from(given.payload),
          options: given.options
            .map(({ number, value }) => ({ number, value: Buffer.from(value) }))
            .toSorted((a, b) => a.number - b.number),
        };
        const bytes = encode(buffers);
        expect(decode(bytes)).toEqual(buffers);
        const theirs = parse(bytes);
        expect(theirs.token).toEqual(buffers.token);
        expect(theirs.payload).toEqual(buffers.payload);
        expect(theirs.options.map(({ value }) => value)).toEqual(buffers.options.map(({ value }) => value));
      }),
      { numRuns: 500 },
    );
  });

  test("random bytes never throw", () => {
    assert(
      property(uint8Array({ maxLength: 100 }), (bytes) => {
        decode(Buffer.from(bytes));
        decode(Buffer.concat([Buffer.from([0x44, 2, 0, 1]), Buffer.from(bytes)]));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("the assembly of blocks", () => {
  test("never holds more than its bound, whatever comes, and counts what it holds", () => {
    const step = record({ key: nat(5), num: nat(4), more: constantFrom(true, false), exponent: nat(6), short: nat(3) });
    assert(
      property(array(step, { maxLength: 80 }), (steps) => {
        let now = 0;
        const held = createAssemblies({ maxPayloadBytes: 3_000, maxBytes: 5_000, patienceMs: 10, now: () => now });
        for (const { key, num, more, exponent, short } of steps) {
          const size = 16 << exponent;
          held.take(String(key), { num, more, size }, Buffer.alloc(short === 0 ? size - 1 : size));
          expect(held.bytes).toBeLessThanOrEqual(5_000);
          expect(held.bytes).toBeGreaterThanOrEqual(0);
          now += 1;
        }
        now += 100;
        held.take("last", { num: 1, more: true, size: 16 }, Buffer.alloc(16));
        expect(held.bytes).toBe(0);
      }),
    );
  });
});

describe("the doors", () => {
  test("random datagrams", async () => {
    await assert(
      asyncProperty(
        array(uint8Array({ minLength: 0, maxLength: 400 }), { minLength: 1, maxLength: 20 }),
        async (datagrams) => {
          await Promise.all([flood(door.port, datagrams), flood(secure.port, datagrams)]);
        },
      ),
      { numRuns: 50 },
    );
    expect(await stillOpen()).toBe("2.04");
  });

  test("requests of all kinds with random options, in the device's own name", async () => {
    await assert(
      asyncProperty(array(message, { minLength: 1, maxLength: 20 }), async (messages) => {
        const head = ["v1", "acme", "d1", "telemetry"].map((part) => ({ number: 11, value: Buffer.from(part) }));
        const key = { number: 15, value: Buffer.from(`key=${KEY}`) };
        await flood(
          door.port,
          messages.map((given) =>
            encode({
              ...given,
              token: Buffer.from(given.token),
              payload: Buffer.from(given.payload),
              options: [...head, key, ...given.options.map((one) => ({ ...one, value: Buffer.from(one.value) }))],
            }),
          ),
        );
      }),
      { numRuns: 50 },
    );
    expect(await stillOpen()).toBe("2.04");
  });

  test("acknowledgements and resets of what was never sent", async () => {
    const datagrams = [0x60, 0x70].flatMap((first) =>
      Array.from({ length: 500 }, (_, id) => Buffer.from([first, 0, id >> 8, id & 0xff])),
    );
    await flood(door.port, datagrams);
    expect(await stillOpen()).toBe("2.04");
  });

  test("an answer to a stranger is never much longer than the question", async () => {
    const client = await rawClient(door.port);
    const questions = [
      request({ path: "v1/acme/d1/telemetry", payload: '{"a":1}' }),
      request({ path: "v1/acme/d1/telemetry", query: ["key=no"] }),
      request({
        path: "v1/acme/d1/config/desired",
        code: "GET",
        options: [{ name: "Observe", value: Buffer.alloc(0) }],
      }),
      request({ path: "x", code: "GET" }),
      request({ path: ".well-known/core", code: "GET" }),
      { code: "0.00", confirmable: true, messageId: newMessageId(), token: Buffer.alloc(0) },
    ];
    for (const question of questions) {
      client.send(question);
      const answer = await client.next();
      expect(generate(answer).length).toBeLessThan(2 * generate(question).length + 20);
    }
    client.close();
  });

  test("a first DTLS hello is answered with less than it was, and with nothing kept", async () => {
    const socket = createSocket("udp4");
    const answers: Buffer[] = [];
    socket.on("message", (answer) => answers.push(answer));
    const hello = helloOf(Buffer.alloc(0));
    for (let n = 0; n < 200; n += 1) {
      await new Promise<void>((resolve) => socket.send(hello, secure.port, "127.0.0.1", () => resolve()));
    }
    await expect.poll(() => answers.length, { timeout: 20_000 }).toBeGreaterThan(50);
    expect(answers.every(({ length }) => length < hello.length)).toBe(true);
    expect(secure.health()[0]?.detail).toContain("0 sessions");
    // Another address's cookie is worth nothing: the answer is another cookie, not our certificate.
    const other = createSocket("udp4");
    const cookie = answers[0]?.subarray(28) ?? Buffer.alloc(0);
    const got = new Promise<Buffer>((resolve) => other.on("message", resolve));
    other.send(helloOf(cookie), secure.port, "127.0.0.1");
    expect((await got)[13]).toBe(3);
    socket.close();
    other.close();
  });
});

/** A ClientHello as small as one can be. */
function helloOf(cookie: Buffer): Buffer {
  const body = Buffer.concat([
    uint16(0xfefd),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(0)),
    vector(1, cookie),
    vector(2, uint16(0xc02b)),
    vector(1, Buffer.from([0])),
    vector(2, Buffer.concat([uint16(0xffff), vector(2, Buffer.alloc(40))])),
  ]);
  return recordBytes({ type: 22, epoch: 0, sequence: 0, fragment: messageBytes(1, 0, body) });
}
