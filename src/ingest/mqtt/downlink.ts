/** What goes down to a connected device. The event store is the queue of what it is owed; here is only what it was sent on this connection. */
import type { Owed } from "../gateways/owed.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { filterMatches } from "../topics.js";
import type { SentId, SessionState } from "./session-record.js";

const MAX_SUBSCRIPTIONS = 32;
/** QoS 1 messages that the device has not acknowledged; what is owed beyond it waits for its PUBACKs. */
const MAX_IN_FLIGHT = 16;

export interface Match {
  readonly qos: 0 | 1;
  /** Of the subscriptions that match. */
  readonly ids: readonly number[];
}

export interface DownMessage extends Match {
  /** 0 for QoS 0. */
  readonly messageId: number;
  /** It was sent on an earlier connection of the session, and not acknowledged. */
  readonly dup: boolean;
}

interface Subscription {
  readonly qos: 0 | 1;
  readonly id: number | undefined;
}

export class Downlink {
  readonly #subscriptions = new Map<string, Subscription>();
  /** By packet identifier; `undefined` for what is no debt and is not sent again. */
  readonly #inFlight = new Map<number, SentId | undefined>();
  /** By debt: the version that was sent on this connection. */
  readonly #sent = new Map<string, number>();
  readonly #resumed: Map<string, SentId>;
  readonly #maxInFlight: number;
  #lastMessageId = 0;
  #isWaiting = false;

  constructor(receiveMaximum: number, resumed: readonly SentId[]) {
    this.#maxInFlight = Math.min(MAX_IN_FLIGHT, receiveMaximum);
    this.#resumed = new Map(resumed.map((sent) => [sent.key, sent]));
    this.#lastMessageId = Math.max(0, ...resumed.map(({ id }) => id));
  }

  get hasSubscriptions(): boolean {
    return this.#subscriptions.size > 0;
  }

  get subscriptions(): SessionState["subscriptions"] {
    return [...this.#subscriptions].map(([filter, { qos, id }]) => ({
      filter,
      qos,
      ...(id === undefined ? {} : { id }),
    }));
  }

  /** What the client has not acknowledged of what it is owed. */
  get unacknowledged(): readonly SentId[] {
    return [...this.#inFlight.values()].filter((sent) => sent !== undefined);
  }

  /** The QoS granted, or why not. Whether the filter is the device's to ask for has been looked at. */
  subscribe(filter: string, qos: number, id: number | undefined): 0 | 1 | Refusal {
    if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS && !this.#subscriptions.has(filter)) {
      return refusal(
        "LIMIT_EXCEEDED",
        `a session has at most ${MAX_SUBSCRIPTIONS} subscriptions: unsubscribe from one`,
      );
    }
    const granted = qos === 0 ? 0 : 1;
    this.#subscriptions.set(filter, { qos: granted, id });
    // Who subscribes, or does so again, is told once more of what is owed.
    this.#sent.clear();
    return granted;
  }

  /** Whether there was such a subscription. */
  unsubscribe(filter: string): boolean {
    return this.#subscriptions.delete(filter);
  }

  /** How the client wants what is sent to this topic; `undefined` when it has no subscription for it. */
  match(topic: string): Match | undefined {
    let qos: 0 | 1 = 0;
    const ids: number[] = [];
    let matches = false;
    for (const [filter, subscription] of this.#subscriptions) {
      if (!filterMatches(filter, topic)) continue;
      matches = true;
      if (subscription.qos === 1) qos = 1;
      if (subscription.id !== undefined) ids.push(subscription.id);
    }
    return matches ? { qos, ids } : undefined;
  }

  /** A place for a message that is no debt; QoS 0 where the client has as much as it takes at one time. */
  place(match: Match): DownMessage {
    if (match.qos === 0 || this.#inFlight.size >= this.#maxInFlight) {
      return { ...match, qos: 0, messageId: 0, dup: false };
    }
    return { ...match, messageId: this.#nextMessageId(undefined), dup: false };
  }

  /** A debt found no place, and comes when another is acknowledged. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** A place for a debt; `undefined` where it was sent already, nobody asked for it, or the client must acknowledge others first. */
  due({ key, version, topic }: Owed): DownMessage | undefined {
    if (this.#sent.get(key) === version) return undefined;
    const match = this.match(topic);
    if (match === undefined) return undefined;
    if (match.qos === 0) {
      this.#sent.set(key, version);
      return { ...match, messageId: 0, dup: false };
    }
    if (this.#inFlight.size >= this.#maxInFlight) {
      this.#isWaiting = true;
      return undefined;
    }
    this.#sent.set(key, version);
    const before = this.#resumed.get(key);
    this.#resumed.delete(key);
    if (before?.version === version && !this.#inFlight.has(before.id)) {
      this.#inFlight.set(before.id, before);
      return { ...match, messageId: before.id, dup: true };
    }
    return { ...match, messageId: this.#nextMessageId({ key, version }), dup: false };
  }

  /** PUBACK, or a message that was too large to be sent. True when something waits for the room that this made. */
  acknowledged(messageId: number): boolean {
    if (!this.#inFlight.delete(messageId) || !this.#isWaiting) return false;
    this.#isWaiting = false;
    return true;
  }

  #nextMessageId(sent: Omit<SentId, "id"> | undefined): number {
    do this.#lastMessageId = (this.#lastMessageId % 65_535) + 1;
    while (this.#inFlight.has(this.#lastMessageId));
    this.#inFlight.set(this.#lastMessageId, sent === undefined ? undefined : { id: this.#lastMessageId, ...sent });
    return this.#lastMessageId;
  }
}
