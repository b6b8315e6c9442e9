/**
 * Publishing into JetStream with one shared reply inbox and a table of callbacks: a promise, a timer and a request
 * per publish, as `js.publish` has them, cost seven times as much with nats 2.29.
 */
import { createInbox, Events } from "nats";
import type { Msg, NatsConnection, NatsError } from "nats";
import { FleetlogError, messageOf } from "../../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import type { IngestCounters } from "../counters.js";

/** Called once: without an error when JetStream has stored it; otherwise it may or may not be stored. */
export type Published = (error?: FleetlogError) => void;

export interface Publisher extends Running, HasHealth {
  /**
   * Never throws and never blocks. Publishes reach JetStream in the order of the calls.
   * While `saturated`, callers are expected to stop taking messages in; what they already hold is still taken.
   */
  publish(subject: string, data: Uint8Array, done: Published): void;
  /** Too much is in flight, or the server is away. */
  readonly saturated: boolean;
  /** The server is connected. */
  readonly available: boolean;
  /** Somebody else waits for room: who has been called back should take little, and ask again. */
  readonly crowded: boolean;
  /** Calls back once there is room again, in the order of asking. */
  whenRoom(listener: () => void): void;
  /** Resolves when nothing is in flight any more: each publish is answered or past its deadline. */
  drained(): Promise<void>;
}

export interface PublisherOptions {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  readonly counters: IngestCounters;
  /** Publishes in flight beyond which it is saturated. */
  readonly maxInFlight?: number;
  readonly maxInFlightBytes?: number;
  /** Within which JetStream must answer. */
  readonly deadlineMs?: number;
}

interface InFlight {
  readonly bytes: number;
  readonly deadline: number;
  readonly done: Published;
}

/**
 * Everybody's next message waits behind what is in flight: this is some 20,000 readings, a third of a second of an
 * overload, and many times what JetStream needs to be kept busy.
 */
const MAX_IN_FLIGHT_BYTES = 2 * 1024 ** 2;

/** How JetStream's good answer begins: `{"stream":"…","seq":n}`. Anything else is parsed with care. */
const GOOD = Buffer.from('{"stream"');

export function createPublisher(options: PublisherOptions): Publisher {
  const { nc, logger, counters } = options;
  const { maxInFlight = 256, maxInFlightBytes = MAX_IN_FLIGHT_BYTES, deadlineMs = 5_000 } = options;
  const inbox = createInbox();
  const inFlight = new Map<number, InFlight>();
  let nextId = 0;
  let bytesInFlight = 0;
  let connected = !nc.isClosed();
  let lastFailure: { readonly at: number; readonly message: string } | undefined;
  let waiting: (() => void)[] = [];
  let waitingFrom = 0;
  let isWaking = false;
  const drainListeners: (() => void)[] = [];
  let stopped = false;

  const subscription = nc.subscribe(`${inbox}.*`, { callback: onReply });
  // In order of publishing, so the first entries are the first to expire.
  const expiry = setInterval(expire, 250);
  expiry.unref();
  void watchConnection();

  function onReply(error: NatsError | null, message: Msg): void {
    if (error !== null) return;
    const id = Number(message.subject.slice(inbox.length + 1));
    if (!inFlight.has(id)) return; // answered after its deadline: the caller has been told "not acknowledged"
    const { data } = message;
    if (data.length > GOOD.length && GOOD.compare(data, 0, GOOD.length) === 0) settle(id);
    else settle(id, failureOf(message));
  }

  function failureOf(message: Msg): FleetlogError {
    if (message.headers?.code === 503) {
      counters.publishFailed("no-responders");
      return unavailable("no stream takes this subject: JetStream is off or its streams are not created");
    }
    let description = message.string();
    try {
      const answer = JSON.parse(description) as { readonly error?: { readonly description?: string } };
      description = answer.error?.description ?? description;
    } catch {
      description = `an answer that is no JSON: ${description.slice(0, 200)}`;
    }
    counters.publishFailed("refused");
    return unavailable(`JetStream refused it: ${description}`);
  }

  function settle(id: number, error?: FleetlogError): void {
    const entry = inFlight.get(id);
    if (entry === undefined) return;
    inFlight.delete(id);
    bytesInFlight -= entry.bytes;
    if (error !== undefined) noteFailure(error.message);
    entry.done(error);
    wakeWaiting();
    if (inFlight.size === 0) for (const listener of drainListeners.splice(0)) listener();
  }

  /** One after the other, in the order of their coming, and only until it is full again: waking all would be a herd. */
  function wakeWaiting(): void {
    // What is woken may settle something in its turn.
    if (isWaking) return;
    isWaking = true;
    try {
      wakeInTurn();
    } finally {
      isWaking = false;
    }
  }

  function wakeInTurn(): void {
    while (waitingFrom < waiting.length && !isSaturated()) {
      const listener = waiting[waitingFrom];
      waitingFrom += 1;
      listener?.();
    }
    if (waitingFrom === waiting.length) {
      waiting = [];
      waitingFrom = 0;
    } else if (waitingFrom > 1_024) {
      waiting = waiting.slice(waitingFrom);
      waitingFrom = 0;
    }
  }

  function noteFailure(message: string): void {
    // One line a burst: a frame's failure repeats for every frame in flight.
    if (lastFailure === undefined || Date.now() - lastFailure.at > 5_000) {
      logger.warn({ error: message, inFlight: inFlight.size }, "JetStream did not acknowledge a publish");
    }
    lastFailure = { at: Date.now(), message };
  }

  function expire(): void {
    const now = Date.now();
    for (const [id, entry] of inFlight) {
      if (entry.deadline > now) return;
      counters.publishFailed("deadline");
      settle(id, unavailable(`JetStream did not answer within ${deadlineMs} ms`));
    }
  }

  function failAll(message: string): void {
    for (const id of inFlight.keys()) {
      counters.publishFailed("disconnected");
      settle(id, unavailable(message));
    }
  }

  async function watchConnection(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === Events.Disconnect) {
        connected = false;
        // Their answers went with the connection. The inbox stays, so nothing else can be known of them.
        failAll("the connection to NATS was lost");
      } else if (status.type === Events.Reconnect) {
        connected = true;
        wakeWaiting();
      }
    }
    connected = false;
    failAll("the connection to NATS is closed");
  }

  function isCrowded(): boolean {
    return waitingFrom < waiting.length;
  }

  function isSaturated(): boolean {
    return !connected || inFlight.size >= maxInFlight || bytesInFlight >= maxInFlightBytes;
  }

  return {
    publish(subject, data, done) {
      // The client would keep it in memory without a bound until the server is back.
      if (!connected || stopped) {
        queueMicrotask(() => done(unavailable("NATS is not connected")));
        return;
      }
      const id = nextId;
      nextId += 1;
      inFlight.set(id, { bytes: data.length, deadline: Date.now() + deadlineMs, done });
      bytesInFlight += data.length;
      try {
        nc.publish(subject, data, { reply: `${inbox}.${id}` });
      } catch (error) {
        counters.publishFailed("client");
        queueMicrotask(() => settle(id, unavailable(messageOf(error))));
      }
    },
    get saturated() {
      return isSaturated();
    },
    get crowded() {
      return isCrowded();
    },
    get available() {
      return connected && !stopped;
    },
    whenRoom(listener) {
      if (isSaturated() || isCrowded()) waiting.push(listener);
      else queueMicrotask(listener);
    },
    drained: () =>
      inFlight.size === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            drainListeners.push(resolve);
          }),
    async stop() {
      if (stopped) return;
      await this.drained();
      stopped = true;
      clearInterval(expiry);
      subscription.unsubscribe();
    },
    health: (): readonly PartHealth[] => {
      const base = { name: "ingest", lag: inFlight.size, lagUnit: "messages" as const };
      if (!connected) return [{ ...base, state: "down", detail: "NATS is not connected: devices are held back" }];
      if (lastFailure !== undefined && Date.now() - lastFailure.at < 10_000) {
        return [{ ...base, state: "degraded", detail: lastFailure.message }];
      }
      return [{ ...base, state: "up" }];
    },
  };
}

function unavailable(message: string): FleetlogError {
  return new FleetlogError("UNAVAILABLE", `not stored, send it again: ${message}`);
}
