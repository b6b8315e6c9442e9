/**
 * CoAP's message layer (RFC 7252, section 4), for whatever carries datagrams: a request that is sent again is answered
 * again and not done again; what takes long is acknowledged first and answered separately; what must arrive is sent until
 * it is acknowledged.
 */
import { BoundedMap } from "../../platform/bounded-map.js";
import { ACK, CON, EMPTY, NON, RST, codeOf, decode, empty, encode } from "./message.js";
import type { Message, Option } from "./message.js";
import { options, uintOption } from "./options.js";

/** Where datagrams come from and go to: an address and port, or a DTLS session on one. */
export interface Peer {
  /** Not used again for another. */
  readonly id: string;
  /** The address without the port. */
  readonly host: string;
  send(datagram: Buffer): void;
}

export interface Response {
  readonly code: number;
  readonly options?: readonly Option[];
  readonly payload?: Buffer;
  /** Kept to be given again to a repetition. Not of strangers, who may not fill our memory, and not of what may be done twice. */
  readonly keep: boolean;
}

/** Never rejects. */
export type Handler = (request: Message, peer: Peer) => Promise<Response>;

export type Delivery = "acknowledged" | "reset" | "unanswered";

export interface Endpoint {
  receive(peer: Peer, datagram: Buffer): void;
  /** Sends until it is acknowledged. False: too much is under way, and nothing was sent. */
  deliver(
    peer: Peer,
    message: Pick<Message, "code" | "token" | "options" | "payload">,
    done: (outcome: Delivery) => void,
  ): boolean;
  /** The peer is gone for good. */
  forget(peer: Peer): void;
  /** Requests whose answer is not there yet. */
  readonly underway: number;
  /** Resolves when none are, or after `ms`. */
  idle(ms: number): Promise<void>;
  stop(): void;
}

/** Section 4.8.2, ms: how long a message id means the same message. */
const EXCHANGE_LIFETIME = 247_000;
const ACK_TIMEOUT = 2_000;
const ACK_RANDOM_FACTOR = 1.5;
const MAX_RETRANSMIT = 4;
/** Well below the time after which the sender tries again. */
const ACK_AFTER = 800;

const MAX_UNDERWAY = 10_000;
const MAX_UNDERWAY_PER_HOST = 1_000;
/** Answers kept, some 400 bytes each. Beyond it the oldest go: a repetition of theirs is done again, onto the same points where readings have a `ts`. */
const MAX_KEPT = 50_000;
const MAX_DELIVERIES = 20_000;
const MAX_PEERS = 50_000;
const SWEEP_MS = 5_000;
const NOTHING = Buffer.alloc(0);

interface Exchange {
  readonly at: number;
  readonly fingerprint: number;
  /** What a repetition gets: the answer, the empty acknowledgement, or as yet nothing. Bytes as a text (latin1): tens of thousands of small buffers would each keep a piece of 8 KiB. */
  reply?: string;
  /** The answer comes separately. */
  isAcknowledged: boolean;
  isDone: boolean;
}

interface OnTheWay {
  readonly peer: Peer;
  readonly done: (outcome: Delivery) => void;
  timer: NodeJS.Timeout;
}

export function createEndpoint(handler: Handler, acknowledgeAfterMs = ACK_AFTER): Endpoint {
  /** Oldest first. */
  const exchanges = new Map<string, Exchange>();
  const deliveries = new Map<string, OnTheWay>();
  const perHost = new Map<string, number>();
  const lastIds = new BoundedMap<string, number>(MAX_PEERS);
  let underway = 0;
  let whenIdle: (() => void) | undefined;
  const sweeper = setInterval(sweep, SWEEP_MS);
  sweeper.unref();

  function receive(peer: Peer, datagram: Buffer): void {
    const message = decode(datagram);
    if ("malformed" in message) {
      if (message.resetId !== undefined) peer.send(empty(RST, message.resetId));
      return;
    }
    const { type, code, id } = message;
    const isRequest = code !== EMPTY && code < codeOf("2.00");
    if (type === ACK || type === RST) {
      // A request in an acknowledgement, or an answer to what we never asked: section 4.2 has it ignored.
      if (code === EMPTY) settle(keyOf(peer, id), type === ACK ? "acknowledged" : "reset");
    } else if (isRequest) {
      take(peer, message, fingerprintOf(datagram));
    } else if (type === CON) {
      // A ping, or an answer to nobody's question.
      peer.send(empty(RST, id));
    }
  }

  function take(peer: Peer, request: Message, fingerprint: number): void {
    const key = keyOf(peer, request.id);
    const known = exchanges.get(key);
    // Byte for byte the same: behind a network address translator another device may have got the address, and the id.
    if (known?.fingerprint === fingerprint) {
      if (request.type === CON && known.reply !== undefined) peer.send(Buffer.from(known.reply, "latin1"));
      return;
    }
    const ofHost = perHost.get(peer.host) ?? 0;
    if (underway >= MAX_UNDERWAY || ofHost >= MAX_UNDERWAY_PER_HOST) {
      const busy = { code: codeOf("5.03"), options: [uintOption(options.maxAge, 2)], keep: false };
      peer.send(answerOf(peer, request, busy));
      return;
    }
    underway += 1;
    perHost.set(peer.host, ofHost + 1);
    const exchange: Exchange = { at: Date.now(), fingerprint, isAcknowledged: false, isDone: false };
    // Deleted first: the oldest stand first.
    exchanges.delete(key);
    exchanges.set(key, exchange);
    const ackTimer =
      request.type === CON ? setTimeout(acknowledge, acknowledgeAfterMs, peer, request.id, exchange) : undefined;
    void finish(peer, request, key, exchange, ackTimer);
  }

  async function finish(
    peer: Peer,
    request: Message,
    key: string,
    exchange: Exchange,
    ackTimer: NodeJS.Timeout | undefined,
  ): Promise<void> {
    const response = await handler(request, peer);
    clearTimeout(ackTimer);
    underway -= 1;
    const left = (perHost.get(peer.host) ?? 1) - 1;
    if (left > 0) perHost.set(peer.host, left);
    else perHost.delete(peer.host);
    answer(peer, request, response, key, exchange);
    if (underway === 0) whenIdle?.();
  }

  function acknowledge(peer: Peer, id: number, exchange: Exchange): void {
    exchange.isAcknowledged = true;
    const reply = empty(ACK, id);
    exchange.reply = reply.toString("latin1");
    peer.send(reply);
  }

  function answer(peer: Peer, request: Message, response: Response, key: string, exchange: Exchange): void {
    exchange.isDone = true;
    if (exchange.isAcknowledged) {
      const { code, options: given = [], payload = NOTHING } = response;
      deliver(peer, { code, token: request.token, options: given, payload }, () => {});
    } else {
      const reply = answerOf(peer, request, response);
      peer.send(reply);
      if (response.keep) exchange.reply = reply.toString("latin1");
    }
    if (response.keep) makeRoom();
    else if (exchanges.get(key) === exchange) exchanges.delete(key);
  }

  function makeRoom(): void {
    if (exchanges.size <= MAX_KEPT + MAX_UNDERWAY) return;
    for (const [key, { isDone }] of exchanges) {
      if (!isDone) continue;
      exchanges.delete(key);
      return;
    }
  }

  /** In the acknowledgement where there is one to come; else as non-confirmable as the question. */
  function answerOf(peer: Peer, request: Message, { code, options: given = [], payload = NOTHING }: Response): Buffer {
    const head =
      request.type === CON ? ({ type: ACK, id: request.id } as const) : ({ type: NON, id: nextId(peer) } as const);
    return encode({ ...head, code, token: request.token, options: given, payload });
  }

  function deliver(
    peer: Peer,
    message: Parameters<Endpoint["deliver"]>[1],
    done: (outcome: Delivery) => void,
  ): boolean {
    if (deliveries.size >= MAX_DELIVERIES) return false;
    const id = nextId(peer);
    const key = keyOf(peer, id);
    if (deliveries.has(key)) return false;
    const datagram = encode({ ...message, type: CON, id });
    let wait = ACK_TIMEOUT * (1 + Math.random() * (ACK_RANDOM_FACTOR - 1));
    let again = 0;
    const retry = (): void => {
      if (again >= MAX_RETRANSMIT) return settle(key, "unanswered");
      again += 1;
      wait *= 2;
      peer.send(datagram);
      onTheWay.timer = setTimeout(retry, wait);
    };
    const onTheWay: OnTheWay = { peer, done, timer: setTimeout(retry, wait) };
    deliveries.set(key, onTheWay);
    peer.send(datagram);
    return true;
  }

  function settle(key: string, outcome: Delivery): void {
    const found = deliveries.get(key);
    if (found === undefined) return;
    clearTimeout(found.timer);
    deliveries.delete(key);
    found.done(outcome);
  }

  /** For each peer its own, from anywhere: an id must not come again to it within its lifetime. */
  function nextId(peer: Peer): number {
    const id = ((lastIds.get(peer.id) ?? Math.floor(Math.random() * 0x10000)) + 1) & 0xffff;
    lastIds.set(peer.id, id);
    return id;
  }

  function sweep(): void {
    const oldest = Date.now() - EXCHANGE_LIFETIME;
    for (const [key, { at, isDone }] of exchanges) {
      if (at > oldest) return;
      if (isDone) exchanges.delete(key);
    }
  }

  return {
    receive,
    deliver,
    forget(peer) {
      for (const [key, { peer: other }] of deliveries) if (other.id === peer.id) settle(key, "unanswered");
      lastIds.delete(peer.id);
    },
    get underway() {
      return underway;
    },
    idle: (ms) =>
      underway === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            const timer = setTimeout(resolve, ms);
            whenIdle = () => {
              clearTimeout(timer);
              resolve();
            };
          }),
    stop() {
      clearInterval(sweeper);
      for (const key of deliveries.keys()) settle(key, "unanswered");
    },
  };
}

/** FNV-1a. */
function fingerprintOf(datagram: Buffer): number {
  let hash = 0x811c9dc5;
  for (const byte of datagram) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

function keyOf(peer: Peer, messageId: number): string {
  return `${peer.id} ${messageId}`;
}
