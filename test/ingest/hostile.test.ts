/** No byte sequence crashes the front door, wedges it, or disturbs the others. */
import { once } from "node:events";
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { array, assert, asyncProperty, constantFrom, integer, property, uint8Array } from "fast-check";
import type { MqttClient } from "mqtt";
import { generate } from "mqtt-packet";
import type { IConnectPacket, Packet } from "mqtt-packet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PacketFramer } from "../../src/ingest/mqtt/framing.js";
import { decodeConnect, decodePacket } from "../../src/ingest/mqtt/packets.js";
import { waitFor } from "../support/wait-for.js";
import { gatewayUnderTest, KEY, natsUnderTest } from "./support.js";
import type { GatewayUnderTest, NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let under: GatewayUnderTest;
let witness: MqttClient;

beforeAll(async () => {
  nats = await natsUnderTest();
  under = await gatewayUnderTest(nats.nc, { connectTimeoutMs: 5_000 });
  under.models.put("acme", "d1");
  under.models.put("acme", "hostile");
  witness = await under.connect();
});
afterAll(async () => {
  await under.stop();
  await nats.stop();
});

function connectPacket(protocolVersion: 4 | 5): IConnectPacket {
  return {
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion,
    clean: true,
    clientId: "hostile",
    keepalive: 0,
    username: "acme/hostile",
    password: Buffer.from(KEY),
  };
}

async function open(): Promise<Socket> {
  const socket = createConnection({ host: "127.0.0.1", port: under.gateway.port });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function loggedIn(version: 4 | 5): Promise<Socket> {
  const socket = await open();
  socket.write(generate(connectPacket(version), { protocolVersion: version }));
  await once(socket, "data");
  return socket;
}

function nested(levels: number): string {
  return "[".repeat(levels) + "]".repeat(levels);
}

/** The witness is still served: what others did has not disturbed it. */
async function doorStillOpen(): Promise<boolean> {
  await witness.publishAsync("v1/acme/d1/telemetry", '{"a":1}', { qos: 1 });
  return witness.connected;
}

/** The packets that the framer finds, as hex. */
function cut(pieces: readonly Buffer[]): string[] {
  const framer = new PacketFramer(10_000);
  const found: string[] = [];
  for (const piece of pieces) {
    framer.push(piece);
    for (let packet = framer.next(); packet !== undefined; packet = framer.next()) {
      found.push(typeof packet === "string" ? packet : packet.toString("hex"));
    }
  }
  return found;
}

const packets: readonly Packet[] = [
  {
    cmd: "publish",
    topic: "v1/acme/hostile/telemetry",
    payload: '{"a":1}',
    qos: 1,
    messageId: 1,
    dup: false,
    retain: false,
  },
  {
    cmd: "subscribe",
    messageId: 2,
    subscriptions: [{ topic: "v1/acme/hostile/#", qos: 1, nl: false, rap: false, rh: 0 }],
  },
  { cmd: "unsubscribe", messageId: 3, unsubscriptions: ["a"] },
  { cmd: "puback", messageId: 9 },
  { cmd: "pingreq" },
  { cmd: "pubrel", messageId: 4 },
  { cmd: "disconnect", reasonCode: 0 },
];

describe("the decoder", () => {
  test("never throws on random bytes", () => {
    assert(
      property(uint8Array({ maxLength: 200 }), constantFrom(4 as const, 5 as const), (bytes, version) => {
        decodePacket(Buffer.from(bytes), version);
        decodeConnect(Buffer.from(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  test("never throws on packets with some bytes changed or cut off", () => {
    const changes = array(uint8Array({ minLength: 2, maxLength: 2 }), { maxLength: 4 });
    const version = constantFrom(4 as const, 5 as const);
    assert(
      property(
        constantFrom(connectPacket(4), connectPacket(5), ...packets),
        version,
        changes,
        integer({ min: 0, max: 10 }),
        (packet, protocolVersion, changed, cut) => {
          const bytes = generate(packet, { protocolVersion });
          for (const [at = 0, value = 0] of changed) bytes[at % bytes.length] = value;
          const shorter = bytes.subarray(0, Math.max(1, bytes.length - cut));
          decodePacket(shorter, protocolVersion);
          decodeConnect(shorter);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});

describe("the framer", () => {
  test("cuts the same packets whatever pieces they come in", () => {
    const bytes = Buffer.concat(packets.map((packet) => generate(packet, { protocolVersion: 5 })));
    const whole = cut([bytes]);
    assert(
      property(array(integer({ min: 1, max: bytes.length }), { maxLength: 30 }), (places) => {
        const ends = [...new Set([...places, bytes.length])].toSorted((a, b) => a - b);
        const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
        expect(cut(pieces)).toEqual(whole);
      }),
    );
    expect(whole).toHaveLength(packets.length);
  });

  test("refuses by the announced length, before the bytes come", () => {
    const framer = new PacketFramer(1_000);
    framer.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
    expect(framer.next()).toBe("too-large");
    const other = new PacketFramer(1_000);
    other.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 1]));
    expect(other.next()).toBe("malformed");
  });
});

describe("the front door", () => {
  test("random bytes before log-in", async () => {
    await assert(
      asyncProperty(uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
        const socket = await open();
        socket.end(bytes);
        await waitFor(() => socket.destroyed || socket.readableEnded || socket.resume().readableEnded);
        socket.destroy();
      }),
      { numRuns: 50 },
    );
    expect(await doorStillOpen()).toBe(true);
  });

  test("random bytes after log-in", async () => {
    await assert(
      asyncProperty(
        uint8Array({ minLength: 1, maxLength: 300 }),
        constantFrom(4 as const, 5 as const),
        async (bytes, version) => {
          const socket = await loggedIn(version);
          socket.end(bytes);
          socket.resume();
          await once(socket, "close");
        },
      ),
      { numRuns: 50 },
    );
    expect(await doorStillOpen()).toBe(true);
  });

  test("a reading sent byte by byte is stored and acknowledged", async () => {
    const socket = await loggedIn(5);
    const [publish] = packets;
    if (publish === undefined) throw new Error("there is no packet to send");
    const answer = once(socket, "data") as Promise<[Buffer]>;
    for (const byte of generate(publish, { protocolVersion: 5 })) socket.write(Buffer.from([byte]));
    const [puback] = await answer;
    expect(puback.toString("hex")).toBe("40020001");
    socket.destroy();
  });

  test("acknowledgements leave in the order of the messages, whichever way these went", async () => {
    const socket = await loggedIn(4);
    const messages = Array.from({ length: 60 }, (_, n) =>
      generate({
        cmd: "publish",
        topic: n % 3 === 0 ? "v1/acme/hostile/health" : "v1/acme/hostile/telemetry",
        payload: n % 4 === 0 ? "no json" : '{"battery":1}',
        qos: 1,
        messageId: n + 1,
        dup: false,
        retain: false,
      }),
    );
    let received = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
    });
    socket.write(Buffer.concat(messages));
    await waitFor(() => received.length === messages.length * 4);
    const ids = Array.from({ length: messages.length }, (_, n) => received.readUInt16BE(n * 4 + 2));
    expect(ids).toEqual(messages.map((_, n) => n + 1));
    socket.destroy();
  });

  test("hundreds of half-open connections disturb nobody, and are sent away", async () => {
    const sockets = await Promise.all(Array.from({ length: 300 }, open));
    for (const [n, socket] of sockets.entries()) if (n % 2 === 0) socket.write(Buffer.from([0x10]));
    const closed = sockets.map(async (socket) => {
      socket.resume();
      await once(socket, "close");
    });
    expect(await doorStillOpen()).toBe(true);
    await Promise.all(closed);
    expect(await doorStillOpen()).toBe(true);
  });

  test("a device that never reads its answers is cut off before they fill memory", async () => {
    const socket = await loggedIn(5);
    socket.pause();
    // Refused with a reason that is many times as long as the question.
    const question = generate(
      { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a", qos: 0, nl: false, rap: false, rh: 0 }] },
      { protocolVersion: 5 },
    );
    const questions = Buffer.concat(Array.from({ length: 4_000 }, () => question));
    const flood = (): void => {
      while (!socket.destroyed && socket.write(questions)) if (socket.writableLength > 1024 ** 2) return;
    };
    socket.on("drain", flood);
    flood();
    await waitFor(async () => (await under.metrics.metrics()).includes('closed_total{reason="slow-reader"} 1'));
    socket.destroy();
    expect(await doorStillOpen()).toBe(true);
  });

  test("silence beyond one and a half keep-alive intervals ends the connection", async () => {
    const socket = await open();
    socket.write(generate({ ...connectPacket(5), keepalive: 1 }, { protocolVersion: 5 }));
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(socket, "close");
    const last = Buffer.concat(chunks);
    // DISCONNECT with the reason "keep alive timeout".
    expect(last.includes(0x8d, last.indexOf(0xe0))).toBe(true);
  });

  test.each([
    ["config/reported", `{"version":1,"status":"applied","config":{"a":${nested(10_000)}}}`],
    ["health", `{"battery":1,"other":${nested(30_000)}}`],
    ["telemetry", nested(100_000)],
    ["telemetry", `{"a":${nested(100_000)}}`],
  ])("a payload to %s that is deeper than any stack is refused, and ends nobody", async (topic, payload) => {
    const client = await under.connect({ protocolVersion: 5, username: "acme/hostile" });
    const refused = client.publishAsync(`v1/acme/hostile/${topic}`, payload, { qos: 1 });
    await expect(refused).rejects.toMatchObject({ code: 0x99 });
    expect(client.connected).toBe(true);
    expect(await doorStillOpen()).toBe(true);
  });

  test("a second CONNECT, or a server's packet, is a protocol error", async () => {
    const wrong: readonly Packet[] = [connectPacket(5), { cmd: "suback", messageId: 1, granted: [0] }];
    for (const packet of wrong) {
      const socket = await loggedIn(5);
      const answer = once(socket, "data") as Promise<[Buffer]>;
      socket.write(generate(packet, { protocolVersion: 5 }));
      expect((await answer)[0].readUInt8(0)).toBe(0xe0);
      await once(socket, "close");
    }
  });
});
