/** DTLS against OpenSSL's own client: every suite, lost and doubled datagrams, forged ones, the bounds. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "coap-packet";
import { array, assert, nat, property } from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startCoapsDoor } from "../../src/ingest/coap/door.js";
import type { CoapDoor } from "../../src/ingest/coap/door.js";
import { identityOf } from "../../src/ingest/coap/dtls/identity.js";
import { ReplayWindow } from "../../src/ingest/coap/dtls/replay-window.js";
import { createDtlsServer } from "../../src/ingest/coap/dtls/server.js";
import { silentLogger } from "../../src/platform/logger.js";
import { loadServerCertificate } from "../../src/tls/index.js";
import type { ServerCertificate } from "../../src/tls/index.js";
import { needPackage } from "../support/debian.js";
import { waitFor } from "../support/wait-for.js";
import { request, run } from "./coap-client.js";
import { gatewayUnderTest, KEY, natsUnderTest } from "./support.js";
import type { GatewayUnderTest, NatsUnderTest } from "./support.js";

const openssl = await needPackage("openssl", "openssl");
const coapClient = await needPackage("libcoap3-bin", "coap-client-openssl");

let dir: string;
let nats: NatsUnderTest;
let under: GatewayUnderTest;
let certificate: ServerCertificate;
let door: CoapDoor;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "fleetlog-dtls-"));
  nats = await natsUnderTest();
  under = await gatewayUnderTest(nats.nc);
  under.models.put("acme", "d1");
  certificate = await loadServerCertificate({ dataDir: dir, logger: silentLogger });
  door = await startDoor(certificate);
});
afterAll(async () => {
  await door.stop();
  await certificate.stop();
  await under.stop();
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

function startDoor(shown: ServerCertificate): Promise<CoapDoor> {
  const deps = { ingest: under.ingest, registry: under.registry, logger: silentLogger };
  return startCoapsDoor(deps, {
    host: "127.0.0.1",
    port: 0,
    maxPayloadBytes: 10_000,
    drainMs: 500,
    // However long this machine takes: the answer comes in the acknowledgement.
    acknowledgeAfterMs: 60_000,
    certificate: shown,
  });
}

/** `openssl s_client`: what goes in is one datagram, what comes out is what was received, with its words around it. */
interface TlsClient {
  readonly said: () => string;
  readonly received: () => Buffer;
  send(datagram: Buffer): void;
  readonly process: ChildProcess;
}

const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

function connect(port: number, cipher: string, ca: string): TlsClient {
  const args = ["-connect", `127.0.0.1:${port}`, "-cipher", `${cipher}:@SECLEVEL=0`, "-CAfile", ca];
  const child = spawn("openssl", ["s_client", "-dtls1_2", "-verify_return_error", "-nocommands", ...args]);
  running.push(child);
  const out: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => out.push(chunk));
  const received = (): Buffer => Buffer.concat(out);
  return {
    process: child,
    received,
    said: () => received().toString("latin1"),
    send: (datagram) => child.stdin.write(datagram),
  };
}

function post(): { readonly datagram: Buffer; readonly answer: Buffer } {
  const packet = request({ path: "v1/acme/d1/telemetry", query: [`key=${KEY}`], payload: '{"a":1}' });
  const { messageId, token } = packet;
  return { datagram: generate(packet), answer: generate({ code: "2.04", ack: true, messageId, token }) };
}

describe.skipIf(openssl === undefined)("the suites", () => {
  const ecdsa = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES128-CCM8"];

  test.each(ecdsa)("%s, with a certificate that the client verifies", async (cipher) => {
    const client = connect(door.port, cipher, certificate.caFile ?? "");
    await waitFor(() => client.said().includes(`Cipher    : ${cipher}`), { what: client.said() });
    expect(client.said()).toContain("Verify return code: 0 (ok)");
    expect(client.said()).toMatch(/Extended master secret: yes/u);
    const { datagram, answer } = post();
    client.send(datagram);
    await waitFor(() => client.received().includes(answer));
  });

  test("ECDHE-RSA-AES128-GCM-SHA256, where the operator's key is RSA", async () => {
    const files = { keyFile: join(dir, "rsa-key.pem"), certFile: join(dir, "rsa.pem") };
    await run("openssl", [
      ..."req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 3 -keyout".split(" "),
      files.keyFile,
      "-out",
      files.certFile,
    ]);
    const rsa = await loadServerCertificate({ ...files, dataDir: dir, logger: silentLogger });
    const other = await startDoor(rsa);
    const client = connect(other.port, "ALL", files.certFile);
    await waitFor(() => client.said().includes("Cipher    : ECDHE-RSA-AES128-GCM-SHA256"));
    const { datagram, answer } = post();
    client.send(datagram);
    expect(await waitFor(() => client.received().includes(answer))).toBe(true);
    await other.stop();
    await rsa.stop();
  });

  test("what offers none of them is told so", async () => {
    const client = connect(door.port, "ECDHE-ECDSA-AES256-GCM-SHA384", certificate.caFile ?? "");
    await waitFor(() => client.process.exitCode !== null);
    expect(client.said()).toMatch(/handshake failure/u);
  });

  test("a client that goes is forgotten", async () => {
    const client = connect(door.port, "ALL", certificate.caFile ?? "");
    const sessions = (): number => Number(/^\d+/u.exec(door.health()[0]?.detail ?? "")?.[0]);
    await waitFor(() => client.said().includes("Verify return code"));
    await waitFor(() => sessions() > 0);
    const before = sessions();
    client.process.stdin?.end();
    expect(await waitFor(() => sessions() < before)).toBe(true);
  });
});

/** A path on which things happen to datagrams: each is given to `fate`, which says what arrives instead. */
interface Path {
  readonly port: number;
  close(): void;
}

type Fate = (datagram: Buffer, fromServer: boolean) => readonly Buffer[];

async function pathTo(port: number, fate: Fate): Promise<Path> {
  const near: Socket = createSocket("udp4");
  const far: Socket = createSocket("udp4");
  await Promise.all([near, far].map((socket) => new Promise<void>((done) => socket.bind(0, "127.0.0.1", done))));
  let client = 0;
  near.on("message", (datagram, { port: from }) => {
    client = from;
    for (const one of fate(datagram, false)) far.send(one, port, "127.0.0.1");
  });
  far.on("message", (datagram) => {
    for (const one of fate(datagram, true)) near.send(one, client, "127.0.0.1");
  });
  return {
    port: near.address().port,
    close() {
      near.close();
      far.close();
    },
  };
}

const HELLO_VERIFY = 3;
const SERVER_HELLO = 2;
const CLIENT_KEY_EXCHANGE = 16;
const isHandshake = (datagram: Buffer, type: number): boolean => datagram[0] === 22 && datagram[13] === type;
const isChangeCipherSpec = (datagram: Buffer): boolean => datagram[0] === 20;

async function received(): Promise<number> {
  const text = await under.metrics.getSingleMetricAsString("fleetlog_received_total");
  return Number(/\{door="coap"\} (\d+)/u.exec(text)?.[1] ?? 0);
}

/** Loses the first datagram that fits. */
function losing(fits: (datagram: Buffer, fromServer: boolean) => boolean): Fate {
  let lost = false;
  return (datagram, fromServer) => {
    if (lost || !fits(datagram, fromServer)) return [datagram];
    lost = true;
    return [];
  };
}

const garbage = [
  // A forged alert, a hello without a cookie, a key exchange, sealed records with wrong tags, and noise.
  Buffer.from("15fefd00000000000000990002022a", "hex"),
  Buffer.concat([Buffer.from("16fefd0000000000000077003d0100003100000000000000", "hex"), Buffer.alloc(60, 3)]),
  Buffer.concat([
    Buffer.from("16fefd00000000000000880010100000040001000000000004", "hex"),
    Buffer.from("03020100", "hex"),
  ]),
  Buffer.concat([Buffer.from("17fefd0001000000000001", "hex"), Buffer.from("0028", "hex"), Buffer.alloc(40, 9)]),
  Buffer.concat([Buffer.from("16fefd0001000000000002", "hex"), Buffer.from("0028", "hex"), Buffer.alloc(40, 9)]),
  Buffer.alloc(5),
  Buffer.alloc(200, 0xff),
];

describe.skipIf(coapClient === undefined)("on a bad path", () => {
  const fates: readonly (readonly [string, Fate])[] = [
    ["everything twice", (datagram) => [datagram, datagram]],
    ["the cookie is lost", losing((datagram) => isHandshake(datagram, HELLO_VERIFY))],
    ["our hello is lost", losing((datagram) => isHandshake(datagram, SERVER_HELLO))],
    ["the client's keys are lost", losing((datagram) => isHandshake(datagram, CLIENT_KEY_EXCHANGE))],
    ["our last word is lost", losing((datagram, fromServer) => fromServer && isChangeCipherSpec(datagram))],
    [
      "forgeries between the datagrams",
      (datagram, fromServer) => (fromServer ? [datagram] : [...garbage, datagram, ...garbage]),
    ],
  ];

  test.each(fates)("%s: the reading is stored, once", async (_what, fate) => {
    const path = await pathTo(door.port, fate);
    const before = await received();
    const { stdout, stderr } = await run("coap-client-openssl", [
      ..."-v 6 -B 30 -m post -t json -R".split(" "),
      certificate.caFile ?? "",
      "-e",
      '{"a":1}',
      `coaps://127.0.0.1:${path.port}/v1/acme/d1/telemetry?key=${KEY}`,
    ]);
    path.close();
    expect(stdout + stderr).toContain("2.04");
    expect(await received()).toBe(before + 1);
  });
});

describe.skipIf(openssl === undefined)("bounds and renewal", () => {
  let socket: Socket;
  beforeEach(async () => {
    socket = createSocket("udp4");
    await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
  });
  afterEach(() => socket.close());

  test("beyond its bound of sessions the one that was silent longest is ended, and told", async () => {
    const closed: string[] = [];
    const heard: string[] = [];
    const server = createDtlsServer({
      identity: () => identityOf(certificate.current),
      send: (datagram, host, port) => socket.send(datagram, port, host),
      onData: (peer, plaintext) => void heard.push(`${peer.id} ${plaintext.toString()}`),
      onClosed: (peer) => void closed.push(peer.id),
      logger: silentLogger,
      maxSessions: 2,
    });
    socket.on("message", (datagram, { address, port }) => server.receive(datagram, address, port));
    const clients: TlsClient[] = [];
    for (let n = 1; n <= 3; n += 1) {
      const client = connect(socket.address().port, "ALL", certificate.caFile ?? "");
      clients.push(client);
      await waitFor(() => client.said().includes("Verify return code"));
      await waitFor(() => server.size === Math.min(n, 2));
    }
    await waitFor(() => clients[0]?.process.exitCode !== null);
    expect(closed).toHaveLength(1);
    clients[2]?.send(Buffer.from("still here"));
    await waitFor(() => heard.some((line) => line.includes("still here")));
    server.stop();
    expect([server.size, closed.length]).toEqual([0, 3]);
  });

  test("a renewed certificate is shown to who comes next", async () => {
    const listeners = new Set<Parameters<ServerCertificate["onChange"]>[0]>();
    const other = await mkdtemp(join(tmpdir(), "fleetlog-dtls-"));
    const renewed = await loadServerCertificate({ dataDir: other, logger: silentLogger });
    const changing: ServerCertificate = {
      ...certificate,
      current: certificate.current,
      onChange(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    };
    const own = await startDoor(changing);
    for (const listener of listeners) listener({ cert: "no certificate", key: "no key" });
    const before = connect(own.port, "ALL", certificate.caFile ?? "");
    await waitFor(() => before.said().includes("Verify return code: 0"));
    for (const listener of listeners) listener(renewed.current);
    const after = connect(own.port, "ALL", renewed.caFile ?? "");
    await waitFor(() => after.said().includes("Verify return code: 0"));
    await own.stop();
    expect(listeners.size).toBe(0);
    await renewed.stop();
    await rm(other, { recursive: true, force: true });
  });
});

describe("the replay window", () => {
  test("takes every record once, and none of those that lie too far back", () => {
    assert(
      property(array(nat(300), { maxLength: 400 }), (sequences) => {
        const window = new ReplayWindow();
        const seen = new Set<number>();
        let highest = -1;
        for (const sequence of sequences) {
          const isNew = !seen.has(sequence) && sequence > highest - 64;
          expect(window.mayBeNew(sequence)).toBe(isNew);
          if (!isNew) continue;
          window.mark(sequence);
          seen.add(sequence);
          highest = Math.max(highest, sequence);
        }
      }),
    );
  });
});
