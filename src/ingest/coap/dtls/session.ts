/**
 * The server's side of one DTLS 1.2 session, from a ClientHello with a good cookie on: ECDHE on P-256, our certificate,
 * none asked of the client (its key is in each request). No resumption, no renegotiation, no compression.
 */
import { createECDH, createHash, randomBytes, sign, timingSafeEqual } from "node:crypto";
import type { ECDH, Hash } from "node:crypto";
import { ownCopy } from "../own-copy.js";
import { keysOf, open, prf, seal, suites } from "./ciphers.js";
import type { Keys, Suite } from "./ciphers.js";
import { cut, fragmentsOf, handshakeTypes, messageBytes, Reassembly, uint16, uint16s, vector } from "./handshake.js";
import type { ClientHello, Fragment } from "./handshake.js";
import type { Identity } from "./identity.js";
import { contentTypes, datagramsOf, DTLS_1_2, recordBytes } from "./records.js";
import type { DtlsRecord } from "./records.js";
import { ReplayWindow } from "./replay-window.js";

const extensionTypes = { groups: 10, pointFormats: 11, extendedMasterSecret: 23, renegotiationInfo: 0xff01 } as const;
/** RFC 5746, section 3.3. */
const EMPTY_RENEGOTIATION_INFO = 0x00ff;
const P256 = 23;
const SHA256_ECDSA = 0x0403;
const SHA256_RSA = 0x0401;

export const alerts = { closeNotify: 0, handshakeFailure: 40, protocolVersion: 70 } as const;

/** What the two hellos agree on; or the alert that says why nothing. */
export function agree(hello: ClientHello, identity: Identity): Suite | number {
  if (hello.version !== DTLS_1_2) return alerts.protocolVersion;
  const groups = hello.extensions.get(extensionTypes.groups);
  const hasP256 = groups === undefined || uint16s(groups.subarray(2)).includes(P256);
  const suite = suites.find(({ id, signedBy }) => signedBy === identity.signedBy && hello.suites.includes(id));
  return suite === undefined || !hasP256 ? alerts.handshakeFailure : suite;
}

export interface SessionOptions {
  readonly hello: ClientHello;
  /** Of the record and the message that brought the hello: ours go on from there (RFC 6347, section 4.2.1). */
  readonly recordSequence: number;
  readonly messageSequence: number;
  readonly helloBody: Buffer;
  readonly suite: Suite;
  readonly identity: Identity;
  readonly send: (datagram: Buffer) => void;
  /** The client has shown that it has the keys. */
  readonly onEstablished: () => void;
  readonly onData: (plaintext: Buffer) => void;
  /** The client has ended it. */
  readonly onClosed: () => void;
}

interface FlightRecord {
  readonly type: number;
  readonly epoch: 0 | 1;
  readonly body: Buffer;
}

/** What only the handshake needs: let go of when it is done, because there are many sessions. */
interface Handshake {
  readonly hello: ClientHello;
  readonly identity: Identity;
  readonly ecdh: ECDH;
  readonly serverRandom: Buffer;
  readonly transcript: Hash;
  readonly hasExtendedMasterSecret: boolean;
  masterSecret: Buffer | undefined;
}

const CHANGE_CIPHER_SPEC = Buffer.from([1]);

export class Session {
  /** Tells a hello that comes again from a new one. */
  readonly clientRandom: Buffer;
  isEstablished = false;
  readonly #options: Pick<SessionOptions, "suite" | "send" | "onEstablished" | "onData" | "onClosed">;
  readonly #window = new ReplayWindow();
  /** The next to write, by epoch. */
  readonly #sequences: [number, number];
  #sendMessageSequence: number;
  #receiveMessageSequence: number;
  #reassembly: Reassembly | undefined;
  #flight: readonly FlightRecord[];
  #keys: Keys | undefined;
  #underway: Handshake | undefined;

  constructor({ hello, helloBody, messageSequence, recordSequence, identity, ...options }: SessionOptions) {
    this.clientRandom = ownCopy(hello.random);
    this.#options = options;
    this.#sequences = [recordSequence, 0];
    this.#sendMessageSequence = messageSequence;
    this.#receiveMessageSequence = messageSequence + 1;
    const ecdh = createECDH("prime256v1");
    ecdh.generateKeys();
    const handshake: Handshake = {
      hello,
      identity,
      ecdh,
      serverRandom: randomBytes(32),
      transcript: createHash("sha256"),
      hasExtendedMasterSecret: hello.extensions.has(extensionTypes.extendedMasterSecret),
      masterSecret: undefined,
    };
    handshake.transcript.update(messageBytes(handshakeTypes.clientHello, messageSequence, helloBody));
    this.#underway = handshake;
    this.#flight = this.#helloFlight(handshake);
    this.resend();
  }

  /** The last flight once more, in new records: the client has not got it. */
  resend(): void {
    const records = this.#flight.map(({ type, epoch, body }) => this.#record(type, epoch, body));
    for (const datagram of datagramsOf(records)) this.#options.send(datagram);
  }

  /** False: the record is not one of this session's. */
  receive(record: DtlsRecord): boolean {
    if (record.epoch === 0) {
      // Once there are keys nothing that comes without them is believed.
      if (record.type === contentTypes.handshake && !this.isEstablished) this.#handshake(record.fragment);
      return true;
    }
    if (record.epoch !== 1 || this.#keys === undefined || !this.#window.mayBeNew(record.sequence)) return false;
    const plaintext = open(this.#options.suite, this.#keys.client, record, record.fragment);
    if (plaintext === undefined) return false;
    this.#window.mark(record.sequence);
    if (record.type === contentTypes.handshake) this.#handshake(plaintext);
    else if (record.type === contentTypes.applicationData && this.isEstablished) this.#options.onData(plaintext);
    else if (record.type === contentTypes.alert) this.#alert(plaintext);
    return true;
  }

  write(plaintext: Buffer): void {
    if (this.isEstablished) this.#options.send(this.#record(contentTypes.applicationData, 1, plaintext));
  }

  close(): void {
    if (this.isEstablished)
      this.#options.send(this.#record(contentTypes.alert, 1, Buffer.from([1, alerts.closeNotify])));
    this.isEstablished = false;
  }

  #alert([level, description]: Buffer): void {
    if (level === 2 || description === alerts.closeNotify) this.#options.onClosed();
  }

  #handshake(bytes: Buffer): void {
    for (const fragment of fragmentsOf(bytes) ?? []) {
      if (this.isEstablished) {
        // It has not heard our last flight, or wants to begin anew inside, which is not offered.
        if (fragment.type === handshakeTypes.finished) this.resend();
        continue;
      }
      this.#fragment(fragment);
    }
  }

  /** In order only: what comes too early will come again with its flight. */
  #fragment(fragment: Fragment): void {
    const handshake = this.#underway;
    if (handshake === undefined || fragment.messageSequence !== this.#receiveMessageSequence) return;
    const isWhole = fragment.body.length === fragment.length;
    if (!isWhole) this.#reassembly ??= new Reassembly(fragment);
    // A whole one is taken as it is: a forged part of it that came first does not hold it up.
    const body = isWhole ? fragment.body : this.#reassembly?.add(fragment);
    if (body === undefined) return;
    this.#reassembly = undefined;
    const { type } = fragment;
    if (type === handshakeTypes.clientKeyExchange) this.#keyExchange(handshake, fragment, body);
    else if (type === handshakeTypes.finished) this.#finished(handshake, fragment, body);
  }

  #keyExchange(handshake: Handshake, { messageSequence }: Fragment, body: Buffer): void {
    const { hello, ecdh, serverRandom, transcript } = handshake;
    const point = body.subarray(1);
    if (body[0] !== point.length || this.#keys !== undefined) return;
    let shared: Buffer;
    try {
      shared = ecdh.computeSecret(point);
    } catch {
      // Not a point of the curve: whoever sends that waits in vain.
      return;
    }
    this.#receiveMessageSequence += 1;
    transcript.update(messageBytes(handshakeTypes.clientKeyExchange, messageSequence, body));
    // RFC 7627: bound to the whole handshake where the client knows how.
    handshake.masterSecret = handshake.hasExtendedMasterSecret
      ? prf(shared, "extended master secret", hashOf(transcript), 48)
      : prf(shared, "master secret", Buffer.concat([hello.random, serverRandom]), 48);
    this.#keys = keysOf(handshake.masterSecret, hello.random, serverRandom);
  }

  #finished({ masterSecret, transcript }: Handshake, { messageSequence }: Fragment, body: Buffer): void {
    if (masterSecret === undefined) return;
    const expected = prf(masterSecret, "client finished", hashOf(transcript), 12);
    if (body.length !== expected.length || !timingSafeEqual(body, expected)) return;
    this.#receiveMessageSequence += 1;
    transcript.update(messageBytes(handshakeTypes.finished, messageSequence, body));
    const ours = prf(masterSecret, "server finished", hashOf(transcript), 12);
    const finished = messageBytes(handshakeTypes.finished, this.#sendMessageSequence, ours);
    this.#flight = [
      { type: contentTypes.changeCipherSpec, epoch: 0, body: CHANGE_CIPHER_SPEC },
      { type: contentTypes.handshake, epoch: 1, body: ownCopy(finished) },
    ];
    this.isEstablished = true;
    this.#underway = undefined;
    this.resend();
    this.#options.onEstablished();
  }

  #helloFlight(handshake: Handshake): readonly FlightRecord[] {
    const certificates = Buffer.concat(handshake.identity.chain.map((der) => vector(3, der)));
    const bodies: readonly (readonly [type: number, body: Buffer])[] = [
      [handshakeTypes.serverHello, serverHello(handshake, this.#options.suite)],
      [handshakeTypes.certificate, vector(3, certificates)],
      [handshakeTypes.serverKeyExchange, serverKeyExchange(handshake)],
      [handshakeTypes.serverHelloDone, Buffer.alloc(0)],
    ];
    return bodies.flatMap(([type, body]) => {
      const messageSequence = this.#sendMessageSequence;
      this.#sendMessageSequence += 1;
      handshake.transcript.update(messageBytes(type, messageSequence, body));
      return cut(type, messageSequence, body).map((piece) => ({ type: contentTypes.handshake, epoch: 0, body: piece }));
    });
  }

  #record(type: number, epoch: 0 | 1, body: Buffer): Buffer {
    const head = { type, epoch, sequence: this.#sequences[epoch] };
    this.#sequences[epoch] += 1;
    const keys = this.#keys;
    if (epoch === 0) return recordBytes({ ...head, fragment: body });
    if (keys === undefined) throw new Error("a record is to be sealed before there are keys");
    return recordBytes({ ...head, fragment: seal(this.#options.suite, keys.server, head, body) });
  }
}

function hashOf(transcript: Hash): Buffer {
  return transcript.copy().digest();
}

function serverHello({ hello, serverRandom, hasExtendedMasterSecret }: Handshake, suite: Suite): Buffer {
  const { extensions, suites: offered } = hello;
  const answers: Buffer[] = [];
  if (extensions.has(extensionTypes.renegotiationInfo) || offered.includes(EMPTY_RENEGOTIATION_INFO)) {
    answers.push(uint16(extensionTypes.renegotiationInfo), vector(2, Buffer.from([0])));
  }
  if (hasExtendedMasterSecret) {
    answers.push(uint16(extensionTypes.extendedMasterSecret), vector(2, Buffer.alloc(0)));
  }
  if (extensions.has(extensionTypes.pointFormats)) {
    answers.push(uint16(extensionTypes.pointFormats), vector(2, Buffer.from([1, 0])));
  }
  return Buffer.concat([
    uint16(DTLS_1_2),
    serverRandom,
    vector(1, Buffer.alloc(0)),
    uint16(suite.id),
    Buffer.from([0]),
    ...(answers.length === 0 ? [] : [vector(2, Buffer.concat(answers))]),
  ]);
}

function serverKeyExchange({ hello, identity, ecdh, serverRandom }: Handshake): Buffer {
  const { key, signedBy } = identity;
  const parameters = Buffer.concat([Buffer.from([3]), uint16(P256), vector(1, ecdh.getPublicKey())]);
  const signature = sign("sha256", Buffer.concat([hello.random, serverRandom, parameters]), key);
  return Buffer.concat([parameters, uint16(signedBy === "ec" ? SHA256_ECDSA : SHA256_RSA), vector(2, signature)]);
}
