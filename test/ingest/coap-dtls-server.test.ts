/** The DTLS server without a network between: what a client that bends its records can and cannot do. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, assert, constantFrom, integer, nat, oneof, property, record, uint8Array } from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { identityOf } from "../../src/ingest/coap/dtls/identity.js";
import type { Identity } from "../../src/ingest/coap/dtls/identity.js";
import { messageBytes } from "../../src/ingest/coap/dtls/handshake.js";
import { recordBytes } from "../../src/ingest/coap/dtls/records.js";
import { createDtlsServer } from "../../src/ingest/coap/dtls/server.js";
import type { DtlsServer, SecurePeer } from "../../src/ingest/coap/dtls/server.js";
import { silentLogger } from "../../src/platform/logger.js";
import { loadServerCertificate } from "../../src/tls/index.js";
import { dtlsClient } from "./dtls-client.js";
import type { DtlsClient } from "./dtls-client.js";

const HOST = "192.0.2.1";
let dir: string;
let identity: Identity;
let server: DtlsServer;
let now: number;
/** By port. */
const clients = new Map<number, DtlsClient>();
const heard: { readonly peer: SecurePeer; readonly text: string }[] = [];
const closed: string[] = [];
let sent: Buffer[] = [];
/** As on a network nothing arrives while it is being sent. */
const underway: (() => void)[] = [];

function arrive(): void {
  for (let next = underway.shift(); next !== undefined; next = underway.shift()) next();
}

function send(port: number, datagram: Buffer): void {
  underway.push(() => server.receive(datagram, HOST, port));
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "fleetlog-dtls-"));
  const certificate = await loadServerCertificate({ dataDir: dir, logger: silentLogger });
  identity = identityOf(certificate.current);
  await certificate.stop();
});
afterAll(() => rm(dir, { recursive: true, force: true }));
beforeEach(() => {
  now = Date.now();
  heard.length = 0;
  closed.length = 0;
  sent = [];
  server = createDtlsServer({
    identity: () => identity,
    send: (datagram, _host, port) => {
      sent.push(datagram);
      underway.push(() => clients.get(port)?.receive(datagram));
    },
    onData: (peer, plaintext) => void heard.push({ peer, text: plaintext.toString() }),
    onClosed: (peer) => void closed.push(peer.id),
    logger: silentLogger,
    maxSessions: 100,
    now: () => now,
  });
});
afterEach(() => {
  server.stop();
  clients.clear();
});

/** A session from that port. */
function session(port: number): DtlsClient {
  const client = dtlsClient((datagram) => send(port, datagram));
  clients.set(port, client);
  client.hello();
  arrive();
  return client;
}

describe("a session", () => {
  test("carries data both ways", () => {
    const client = session(1);
    expect(client.isEstablished).toBe(true);
    server.receive(client.sealed(Buffer.from("up")), HOST, 1);
    heard[0]?.peer.send(Buffer.from("down"));
    arrive();
    expect([heard.map(({ text }) => text), client.received.map(String)]).toEqual([["up"], ["down"]]);
  });

  test("takes a record once, however often it comes", () => {
    const client = session(1);
    const records = Array.from({ length: 10 }, (_, n) => client.sealed(Buffer.from(String(n))));
    for (const again of [...records.toReversed(), ...records]) server.receive(again, HOST, 1);
    expect(heard).toHaveLength(10);
  });

  test("is bound to its address: its records are nothing from another", () => {
    const client = session(1);
    server.receive(client.sealed(Buffer.from("stolen")), HOST, 2);
    expect(heard).toHaveLength(0);
  });

  test("gives way to a new one from the same address, which has another name", () => {
    const old = session(1);
    server.receive(old.sealed(Buffer.from("old")), HOST, 1);
    const young = session(1);
    expect(young.isEstablished).toBe(true);
    expect(closed).toHaveLength(1);
    server.receive(old.sealed(Buffer.from("late")), HOST, 1);
    server.receive(young.sealed(Buffer.from("young")), HOST, 1);
    expect(heard.map(({ text }) => text)).toEqual(["old", "young"]);
    expect(heard[0]?.peer.id).not.toBe(heard[1]?.peer.id);
    expect(server.size).toBe(1);
  });

  test("stays while somebody without its keys says hello in its name", () => {
    const client = session(1);
    const stranger = dtlsClient((datagram) => send(1, datagram));
    // What is answered goes to the address, that is, to the client: the stranger gets no cookie.
    stranger.hello();
    arrive();
    server.receive(client.sealed(Buffer.from("still")), HOST, 1);
    expect([heard.map(({ text }) => text), server.size, closed]).toEqual([["still"], 1, []]);
  });

  test("ends when there is no room and it was silent longest, and the client is told", () => {
    const clientsThere = Array.from({ length: 101 }, (_, n) => session(n + 1));
    arrive();
    expect([server.size, clientsThere[0]?.alerts, clientsThere[1]?.alerts]).toEqual([100, [0], []]);
  });

  test("is not begun by a cookie that is old", () => {
    const held: Buffer[] = [];
    const client = dtlsClient((datagram) => held.push(datagram));
    clients.set(1, client);
    client.hello();
    const [first] = held;
    if (first === undefined) throw new Error("there is no hello");
    server.receive(first, HOST, 1);
    arrive();
    const [, second] = held;
    if (second === undefined) throw new Error("there is no second hello");
    now += 10 * 60_000;
    // The secret turns over when it is next asked for: twice, for one that is two turns old.
    server.receive(first, HOST, 3);
    now += 10 * 60_000;
    server.receive(first, HOST, 3);
    sent = [];
    server.receive(second, HOST, 1);
    expect(sent[0]?.[13]).toBe(3);
  });
});

describe("no bytes break the server", () => {
  const handshakeBody = record({
    type: constantFrom(1, 2, 3, 11, 14, 16, 20, 99),
    sequence: nat(5),
    body: uint8Array({ maxLength: 150 }),
  }).map(({ type, sequence, body }) => messageBytes(type, sequence, Buffer.from(body)));
  const anyRecord = record({
    type: constantFrom(20, 21, 22, 23, 24),
    epoch: constantFrom(0, 1, 2),
    sequence: nat(70),
    fragment: oneof(
      handshakeBody,
      uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    ),
  }).map((one) => recordBytes(one));

  test("random records before, during and after a handshake", () => {
    assert(
      property(array(anyRecord, { maxLength: 30 }), integer({ min: 0, max: 2 }), (records, phase) => {
        const port = 7;
        const queue: Buffer[] = [];
        const client = dtlsClient((datagram) => queue.push(datagram));
        clients.set(port, client);
        client.hello();
        const step = (): void => {
          server.receive(queue.shift() ?? Buffer.alloc(0), HOST, port);
          arrive();
        };
        for (let done = 0; done < phase; done += 1) step();
        for (const one of records) server.receive(one, HOST, port);
        arrive();
        for (let done = phase; done < 3; done += 1) step();
      }),
      { numRuns: 150 },
    );
    const client = session(8);
    server.receive(client.sealed(Buffer.from("alive")), HOST, 8);
    expect(heard.at(-1)?.text).toBe("alive");
  });

  test("a genuine handshake with some bytes changed", () => {
    assert(
      property(
        array(record({ at: nat(2_000), to: nat(255) }), { minLength: 1, maxLength: 5 }),
        nat(3),
        (changes, which) => {
          let count = 0;
          const bent = dtlsClient((datagram) => {
            const copy = Buffer.from(datagram);
            if (count === which) for (const { at, to } of changes) copy[at % copy.length] = to;
            count += 1;
            server.receive(copy, HOST, 9);
          });
          clients.set(9, bent);
          bent.hello();
        },
      ),
      { numRuns: 150 },
    );
    expect(session(10).isEstablished).toBe(true);
  });
});
