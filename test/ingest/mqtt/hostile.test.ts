/** No sequence of bytes wedges the door or disturbs the others, whichever way it comes in. */
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { array, assert, asyncProperty, constantFrom, integer, oneof, uint8Array } from "fast-check";
import type { MqttClient } from "mqtt";
import { generate } from "mqtt-packet";
import type { Packet } from "mqtt-packet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../support/wait-for.js";
import { natsUnderTest } from "../support.js";
import type { NatsUnderTest } from "../support.js";
import { connectPacket, overTcp, overTls, overWebSocket } from "./raw-client.js";
import type { RawClient } from "./raw-client.js";
import { startTransports } from "./transports.js";
import type { Transports } from "./transports.js";

let nats: NatsUnderTest;
let under: Transports;
let witness: MqttClient;

beforeAll(async () => {
  nats = await natsUnderTest();
  under = await startTransports(nats.nc, { connectTimeoutMs: 5_000, maxConnections: 400 });
  under.models.put("acme", "d1");
  under.models.put("acme", "hostile");
  witness = await under.connect({ reconnectPeriod: 0 });
});
afterAll(async () => {
  await under.stop();
  await nats.stop();
});

/** The witness is still served: what others did has not disturbed it. */
async function doorStillOpen(): Promise<boolean> {
  await witness.publishAsync("v1/acme/d1/telemetry", '{"a":1}', { qos: 1 });
  return witness.connected;
}

const ways = {
  TCP: (version: 4 | 5): Promise<RawClient> => overTcp(under.gateway.port, version),
  TLS: (version: 4 | 5): Promise<RawClient> => overTls(under.tlsPort, version, under.ca),
  WebSocket: (version: 4 | 5): Promise<RawClient> => overWebSocket(under.urls.ws, version),
} as const;

/** What a session may be in the middle of. */
const sensible: readonly Packet[] = [
  {
    cmd: "publish",
    topic: "v1/acme/hostile/telemetry",
    payload: '{"a":1}',
    qos: 2,
    messageId: 1,
    dup: false,
    retain: false,
  },
  {
    cmd: "publish",
    topic: "v1/acme/hostile/telemetry",
    payload: '{"a":1}',
    qos: 1,
    messageId: 2,
    dup: true,
    retain: false,
  },
  { cmd: "publish", topic: "", payload: "{}", qos: 0, dup: false, retain: false, properties: { topicAlias: 1 } },
  {
    cmd: "publish",
    topic: "v1/acme/hostile/telemetry",
    payload: "{}",
    qos: 1,
    messageId: 3,
    dup: false,
    retain: false,
    properties: {
      responseTopic: "v1/acme/hostile/r",
      correlationData: Buffer.from("x"),
      contentType: "application/cbor",
    },
  },
  { cmd: "pubrel", messageId: 1 },
  { cmd: "pubrec", messageId: 1 },
  { cmd: "pubcomp", messageId: 1 },
  { cmd: "puback", messageId: 1 },
  {
    cmd: "subscribe",
    messageId: 4,
    subscriptions: [{ topic: "v1/acme/hostile/#", qos: 1, nl: true, rap: true, rh: 2 }],
  },
  { cmd: "unsubscribe", messageId: 5, unsubscriptions: ["v1/acme/hostile/#"] },
  { cmd: "pingreq" },
  { cmd: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 5 } },
];

/** A packet of a session, whole or with bytes changed, or no packet at all. */
const piece = (version: 4 | 5) =>
  oneof(
    { weight: 4, arbitrary: constantFrom(...sensible).map((packet) => generate(packet, { protocolVersion: version })) },
    {
      weight: 3,
      arbitrary: integer({ min: 0, max: sensible.length - 1 }).chain((index) =>
        array(uint8Array({ minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 3 }).map((changes) => {
          const bytes = generate(sensible[index] ?? { cmd: "pingreq" }, { protocolVersion: version });
          for (const [at = 0, value = 0] of changes) bytes[at % bytes.length] = value;
          return bytes;
        }),
      ),
    },
    { weight: 1, arbitrary: uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
  );

describe.each(Object.keys(ways) as (keyof typeof ways)[])("over %s", (way) => {
  test.each([4, 5] as const)("version %s: anything, in the middle of a session", async (version) => {
    await assert(
      asyncProperty(
        array(piece(version), { minLength: 1, maxLength: 12 }),
        integer({ min: 1, max: 40 }),
        async (pieces, cut) => {
          const client = await ways[way](version);
          const properties = version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {};
          await client.connect({ username: "acme/hostile", clientId: "hostile", clean: false, ...properties });
          const bytes = Buffer.concat(pieces);
          client.write(bytes.subarray(0, cut));
          client.write(bytes.subarray(cut));
          client.wire.end();
          await client.ended();
        },
      ),
      { numRuns: 30 },
    );
    expect(await doorStillOpen()).toBe(true);
  });

  test("anything before the log-in", async () => {
    const connect = generate(connectPacket(5, { username: "acme/hostile" }), { protocolVersion: 5 });
    const changed = array(uint8Array({ minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 4 }).map((changes) => {
      const bytes = Buffer.from(connect);
      for (const [at = 0, value = 0] of changes) bytes[at % bytes.length] = value;
      return bytes;
    });
    await assert(
      asyncProperty(oneof(changed, uint8Array({ minLength: 1, maxLength: 200 })), async (bytes) => {
        const client = await ways[way](5);
        client.write(Buffer.from(bytes));
        client.wire.end();
        await client.ended();
      }),
      { numRuns: 30 },
    );
    expect(await doorStillOpen()).toBe(true);
  });
});

test.each([
  ["client id", { clientId: "a\0b" }],
  ["user name", { username: "acme/hos\0tile" }],
])("a %s with the character U+0000 is not let in", async (_what, given) => {
  const client = await ways.TCP(5);
  client.send(connectPacket(5, { username: "acme/hostile", ...given }));
  await client.ended();
  expect(client.packets).toEqual([]);
});

function knock(): Socket {
  const socket = createConnection({ host: "127.0.0.1", port: under.gateway.port });
  socket.on("error", () => {});
  return socket.resume();
}

test("a CONNECT that comes byte by byte is waited for, but not for ever", async () => {
  const slow = knock();
  const bytes = generate(connectPacket(4, { username: "acme/hostile" }));
  let sent = 0;
  const drip = setInterval(() => {
    // Never the last byte.
    if (sent < bytes.length - 1 && slow.writable) slow.write(bytes.subarray(sent, (sent += 1)));
  }, 20);
  await waitFor(() => slow.destroyed, { what: "the end of a log-in that takes too long" });
  clearInterval(drip);
  expect(await doorStillOpen()).toBe(true);
});

test("those who only hold a place lose it, the oldest first, and never take the last ones", async () => {
  const crowd = Array.from({ length: 380 }, knock);
  // Half of the 400 places are for those who have logged in.
  await waitFor(() => crowd.filter(({ destroyed }) => destroyed).length >= 150);
  const late = await overTcp(under.gateway.port, 5);
  expect((await late.connect({ username: "acme/hostile" })).reasonCode).toBe(0);
  expect(await doorStillOpen()).toBe(true);
  await waitFor(() => crowd.every(({ destroyed }) => destroyed));
  late.destroy();
});

test("a flood of log-ins for devices that do not exist is looked up a few at a time, and refused one by one", async () => {
  const strangers = await Promise.all(Array.from({ length: 150 }, () => overTcp(under.gateway.port, 4)));
  const before = under.models.queries;
  const answers = strangers.map(async (client, n) => {
    const { returnCode } = await client.connect({ username: `acme/nobody-${n}` });
    return returnCode;
  });
  expect(await doorStillOpen()).toBe(true);
  expect(new Set(await Promise.all(answers))).toEqual(new Set([4]));
  expect(under.models.queries - before).toBeLessThanOrEqual(150);
});
