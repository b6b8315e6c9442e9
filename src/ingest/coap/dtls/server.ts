/**
 * Many DTLS sessions on one UDP socket. Before a cookie has come back nothing is kept and nothing longer is sent than was
 * received; after it, a session costs some kilobytes, and there is a bound of them.
 */
import type { Logger } from "../../../platform/logger.js";
import { createCookies } from "./cookies.js";
import { fragmentsOf, handshakeTypes, messageBytes, readClientHello, vector } from "./handshake.js";
import type { ClientHello, Fragment } from "./handshake.js";
import type { Identity } from "./identity.js";
import { contentTypes, DTLS_1_0, recordBytes, recordsOf } from "./records.js";
import type { DtlsRecord } from "./records.js";
import { agree, Session } from "./session.js";

/** One session, as who is behind it sees it. */
export interface SecurePeer {
  /** Not used again for another. */
  readonly id: string;
  readonly host: string;
  send(plaintext: Buffer): void;
}

export interface DtlsServer {
  receive(datagram: Buffer, host: string, port: number): void;
  /** Established sessions. */
  readonly size: number;
  /** Tells every client that it ends. */
  stop(): void;
}

export interface DtlsServerOptions {
  /** Asked at each handshake: a renewed certificate is shown to whoever comes next. */
  readonly identity: () => Identity;
  readonly send: (datagram: Buffer, host: string, port: number) => void;
  readonly onData: (peer: SecurePeer, plaintext: Buffer) => void;
  readonly onClosed: (peer: SecurePeer) => void;
  readonly logger: Logger;
  readonly maxSessions?: number;
  readonly now?: () => number;
}

const MAX_SESSIONS = 50_000;
/** Handshakes under way, of all and of one address: each holds a key pair and is done within seconds. */
const MAX_HANDSHAKES = 2_000;
const MAX_HANDSHAKES_PER_HOST = 100;
/** RFC 6347, section 4.2.4.1. */
const FIRST_RESEND_MS = 1_000;
const MAX_RESENDS = 5;
/** A session that is silent for so long is ended. */
const IDLE_MS = 3_600_000;
const SWEEP_MS = 30_000;

interface Held {
  readonly peer: SecurePeer;
  readonly session: Session;
  readonly address: string;
  heardAt: number;
  timer?: NodeJS.Timeout;
}

export function createDtlsServer(options: DtlsServerOptions): DtlsServer {
  const { identity, send, onData, onClosed, logger, maxSessions = MAX_SESSIONS, now = Date.now } = options;
  const cookies = createCookies(now);
  /** By address and port; the one that was silent longest first. */
  const established = new Map<string, Held>();
  const handshakes = new Map<string, Held>();
  const perHost = new Map<string, number>();
  let sessionsMade = 0;
  const sweeper = setInterval(sweep, SWEEP_MS);
  sweeper.unref();

  function receive(datagram: Buffer, host: string, port: number): void {
    const address = `${host} ${port}`;
    for (const record of recordsOf(datagram)) {
      const [fragment] =
        record.type === contentTypes.handshake && record.epoch === 0 ? (fragmentsOf(record.fragment) ?? []) : [];
      if (fragment?.type === handshakeTypes.clientHello) hello(record, fragment, address, host, port);
      else pass(record, address);
    }
  }

  function pass(record: DtlsRecord, address: string): void {
    // A client that has lost its session says hello from the same address while the old one is still here.
    if (handshakes.get(address)?.session.receive(record) === true) return;
    const held = established.get(address);
    if (held === undefined || !held.session.receive(record)) return;
    held.heardAt = now();
    if (established.get(address) !== held) return;
    established.delete(address);
    established.set(address, held);
  }

  function hello(record: DtlsRecord, fragment: Fragment, address: string, host: string, port: number): void {
    // Copied: what is read lives with the session. One that is cut cannot be answered without keeping its parts for a stranger.
    const read = fragment.body.length === fragment.length ? readClientHello(Buffer.from(fragment.body)) : undefined;
    if (read === undefined) return;
    if (!cookies.isGood(address, read)) {
      send(helloVerifyRequest(record.sequence, cookies.for(address, read)), host, port);
      return;
    }
    const before = handshakes.get(address);
    if (before?.session.clientRandom.equals(read.random) === true) {
      before.session.resend();
      return;
    }
    if (established.get(address)?.session.clientRandom.equals(read.random) === true) return;
    if (before !== undefined) leaveHandshakes(before);
    const ofHost = perHost.get(host) ?? 0;
    if (handshakes.size >= MAX_HANDSHAKES || ofHost >= MAX_HANDSHAKES_PER_HOST) return;
    begin(read, record, fragment, address, host, port);
  }

  function begin(
    read: ClientHello,
    record: DtlsRecord,
    fragment: Fragment,
    address: string,
    host: string,
    port: number,
  ): void {
    const shown = identity();
    const suite = agree(read, shown);
    if (typeof suite === "number") {
      logger.debug({ host, alert: suite }, "a DTLS hello offers nothing that is spoken here");
      const alert = {
        type: contentTypes.alert,
        epoch: 0,
        sequence: record.sequence,
        fragment: Buffer.from([2, suite]),
      };
      send(recordBytes(alert), host, port);
      return;
    }
    sessionsMade += 1;
    const session = new Session({
      hello: read,
      recordSequence: record.sequence,
      messageSequence: fragment.messageSequence,
      helloBody: Buffer.from(fragment.body),
      suite,
      identity: shown,
      send: (datagram) => send(datagram, host, port),
      onEstablished: () => establish(held),
      onData: (plaintext) => onData(peer, plaintext),
      onClosed: () => end(held),
    });
    const peer: SecurePeer = {
      id: `${address} dtls-${sessionsMade}`,
      host,
      send: (plaintext) => session.write(plaintext),
    };
    const held: Held = { peer, session, address, heardAt: now() };
    handshakes.set(address, held);
    perHost.set(host, (perHost.get(host) ?? 0) + 1);
    resendLater(held, FIRST_RESEND_MS, 0);
  }

  function resendLater(held: Held, wait: number, done: number): void {
    held.timer = setTimeout(() => {
      if (done >= MAX_RESENDS) return leaveHandshakes(held);
      held.session.resend();
      resendLater(held, wait * 2, done + 1);
    }, wait);
  }

  function leaveHandshakes(held: Held): void {
    clearTimeout(held.timer);
    if (handshakes.get(held.address) !== held) return;
    handshakes.delete(held.address);
    const left = (perHost.get(held.peer.host) ?? 1) - 1;
    if (left > 0) perHost.set(held.peer.host, left);
    else perHost.delete(held.peer.host);
  }

  function establish(held: Held): void {
    leaveHandshakes(held);
    const before = established.get(held.address);
    // Without a word to the client, who has other keys now.
    if (before !== undefined) leave(before);
    const [silent] = established.values();
    if (established.size >= maxSessions && silent !== undefined) end(silent);
    held.heardAt = now();
    established.set(held.address, held);
  }

  function end(held: Held): void {
    held.session.close();
    leave(held);
  }

  function leave(held: Held): void {
    leaveHandshakes(held);
    if (established.get(held.address) === held) established.delete(held.address);
    onClosed(held.peer);
  }

  function sweep(): void {
    const oldest = now() - IDLE_MS;
    for (const held of established.values()) {
      if (held.heardAt > oldest) return;
      end(held);
    }
  }

  return {
    receive,
    get size() {
      return established.size;
    },
    stop() {
      clearInterval(sweeper);
      for (const held of handshakes.values()) leaveHandshakes(held);
      for (const held of established.values()) end(held);
    },
  };
}

/** In the hello's own record sequence and of DTLS 1.0's version, as section 4.2.1 has it. */
function helloVerifyRequest(sequence: number, cookie: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from([DTLS_1_0 >> 8, DTLS_1_0 & 0xff]), vector(1, cookie)]);
  const fragment = messageBytes(handshakeTypes.helloVerifyRequest, 0, body);
  return recordBytes({ type: contentTypes.handshake, epoch: 0, sequence, fragment }, DTLS_1_0);
}
