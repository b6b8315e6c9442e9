/** The client's side of DTLS 1.2 for tests that must see, repeat or bend its records: ECDHE-ECDSA-AES128-GCM, nothing verified. */
import { createECDH, createHash, randomBytes } from "node:crypto";
import { keysOf, open, prf, seal, suites } from "../../src/ingest/coap/dtls/ciphers.js";
import type { Keys } from "../../src/ingest/coap/dtls/ciphers.js";
import { fragmentsOf, handshakeTypes, messageBytes, uint16, vector } from "../../src/ingest/coap/dtls/handshake.js";
import { contentTypes, recordBytes, recordsOf } from "../../src/ingest/coap/dtls/records.js";

const [suite] = suites;
if (suite === undefined) throw new Error("there is no suite");

export interface DtlsClient {
  /** What comes from the server. */
  receive(datagram: Buffer): void;
  /** Begins the handshake. */
  hello(): void;
  /** A sealed record with this inside. */
  sealed(plaintext: Buffer): Buffer;
  readonly isEstablished: boolean;
  readonly received: readonly Buffer[];
  /** Descriptions of the alerts that came under the session's keys. */
  readonly alerts: readonly number[];
}

/** Synchronous on a synchronous `send`: a whole handshake is one call of `hello`. */
export function dtlsClient(send: (datagram: Buffer) => void): DtlsClient {
  const random = randomBytes(32);
  const ecdh = createECDH("prime256v1");
  ecdh.generateKeys();
  const parts = new Map<number, Buffer[]>();
  const sequences: [number, number] = [0, 0];
  const received: Buffer[] = [];
  const alerts: number[] = [];
  let transcript = createHash("sha256");
  let keys: Keys | undefined;
  let master: Buffer = Buffer.alloc(0);
  let serverRandom: Buffer = Buffer.alloc(0);
  let nextFromServer = 1;
  let isEstablished = false;

  function record(type: number, epoch: 0 | 1, body: Buffer): Buffer {
    const head = { type, epoch, sequence: sequences[epoch] };
    sequences[epoch] += 1;
    if (epoch === 0) return recordBytes({ ...head, fragment: body });
    if (keys === undefined || suite === undefined) throw new Error("there are no keys yet");
    return recordBytes({ ...head, fragment: seal(suite, keys.client, head, body) });
  }

  function sayHello(cookie: Buffer, messageSequence: number): void {
    const extensions = Buffer.concat([uint16(10), vector(2, vector(2, uint16(23)))]);
    const body = Buffer.concat([
      uint16(0xfefd),
      random,
      vector(1, Buffer.alloc(0)),
      vector(1, cookie),
      vector(2, uint16(0xc02b)),
      vector(1, Buffer.from([0])),
      vector(2, extensions),
    ]);
    transcript = createHash("sha256").update(messageBytes(handshakeTypes.clientHello, messageSequence, body));
    send(record(contentTypes.handshake, 0, messageBytes(handshakeTypes.clientHello, messageSequence, body)));
  }

  function handle(type: number, sequence: number, body: Buffer): void {
    transcript.update(messageBytes(type, sequence, body));
    if (type === handshakeTypes.serverHello) serverRandom = Buffer.from(body.subarray(2, 34));
    if (type === handshakeTypes.serverKeyExchange) {
      const shared = ecdh.computeSecret(body.subarray(4, 4 + (body[3] ?? 0)));
      master = prf(shared, "master secret", Buffer.concat([random, serverRandom]), 48);
    }
    if (type !== handshakeTypes.serverHelloDone) return;
    keys = keysOf(master, random, serverRandom);
    const exchange = messageBytes(handshakeTypes.clientKeyExchange, 2, vector(1, ecdh.getPublicKey()));
    transcript.update(exchange);
    const verify = prf(master, "client finished", transcript.copy().digest(), 12);
    send(
      Buffer.concat([
        record(contentTypes.handshake, 0, exchange),
        record(contentTypes.changeCipherSpec, 0, Buffer.from([1])),
        record(contentTypes.handshake, 1, messageBytes(handshakeTypes.finished, 3, verify)),
      ]),
    );
  }

  function handshake(bytes: Buffer): void {
    for (const { type, messageSequence, length, body } of fragmentsOf(bytes) ?? []) {
      if (type === handshakeTypes.helloVerifyRequest) sayHello(body.subarray(3), 1);
      if (type === handshakeTypes.helloVerifyRequest || messageSequence !== nextFromServer) continue;
      const so = parts.get(messageSequence) ?? [];
      parts.set(messageSequence, so);
      so.push(body);
      const whole = Buffer.concat(so);
      if (whole.length < length) continue;
      nextFromServer += 1;
      handle(type, messageSequence, whole);
    }
  }

  return {
    hello: () => sayHello(Buffer.alloc(0), 0),
    receive(datagram) {
      for (const one of recordsOf(datagram)) {
        if (one.epoch === 0) {
          if (one.type === contentTypes.handshake) handshake(one.fragment);
          continue;
        }
        const plaintext =
          keys === undefined || suite === undefined ? undefined : open(suite, keys.server, one, one.fragment);
        if (plaintext === undefined) continue;
        if (one.type === contentTypes.handshake) isEstablished = true;
        if (one.type === contentTypes.applicationData) received.push(plaintext);
        if (one.type === contentTypes.alert) alerts.push(plaintext[1] ?? -1);
      }
    },
    sealed: (plaintext) => record(contentTypes.applicationData, 1, plaintext),
    get isEstablished() {
      return isEstablished;
    },
    received,
    alerts,
  };
}
