/** What goes down to a connected device: for now the configuration that it still owes. The event store is the queue; nothing is kept here. */
import { owesConfiguration } from "../device-access.js";
import type { DeviceAccess } from "../device-access.js";
import { checkFilter, desiredConfigurationTopic, filterMatches } from "../topics.js";
import type { Refusal } from "../pipeline/refusal.js";
import { refusal } from "../pipeline/refusal.js";

const MAX_SUBSCRIPTIONS = 32;
/** QoS 1 messages that the device has not acknowledged; beyond it, it gets the newest when it connects again. */
const MAX_IN_FLIGHT = 16;

export interface DownMessage {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1;
  /** 0 for QoS 0. */
  readonly messageId: number;
}

export class Downlink {
  readonly #subscriptions = new Map<string, 0 | 1>();
  readonly #inFlight = new Set<number>();
  readonly #maxInFlight: number;
  #lastMessageId = 0;
  #sentVersion = 0;

  constructor(receiveMaximum: number) {
    this.#maxInFlight = Math.min(MAX_IN_FLIGHT, receiveMaximum);
  }

  /** The QoS granted, or why not. */
  subscribe(filter: string, qos: number, access: DeviceAccess): 0 | 1 | Refusal {
    const refused = checkFilter(filter, access.tenantId, access.deviceId);
    if (refused !== undefined) return refused;
    if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS && !this.#subscriptions.has(filter)) {
      return refusal(
        "LIMIT_EXCEEDED",
        `a connection has at most ${MAX_SUBSCRIPTIONS} subscriptions: unsubscribe from one`,
      );
    }
    const granted = qos === 0 ? 0 : 1;
    this.#subscriptions.set(filter, granted);
    if (filterMatches(filter, desiredConfigurationTopic(access.tenantId, access.deviceId))) this.#sentVersion = 0;
    return granted;
  }

  /** Whether there was such a subscription. */
  unsubscribe(filter: string): boolean {
    return this.#subscriptions.delete(filter);
  }

  acknowledged(messageId: number): void {
    this.#inFlight.delete(messageId);
  }

  /** The configuration, where the device is behind, subscribes to it, and has not been sent it on this connection. */
  dueConfiguration(access: DeviceAccess): DownMessage | undefined {
    const { version, config } = access.configuration;
    if (version === this.#sentVersion || !owesConfiguration(access)) return undefined;
    const topic = desiredConfigurationTopic(access.tenantId, access.deviceId);
    const granted = [...this.#subscriptions].filter(([filter]) => filterMatches(filter, topic)).map(([, qos]) => qos);
    if (granted.length === 0 || this.#inFlight.size >= this.#maxInFlight) return undefined;
    this.#sentVersion = version;
    const qos = granted.includes(1) ? 1 : 0;
    return {
      topic,
      payload: JSON.stringify({ version, config }),
      qos,
      messageId: qos === 0 ? 0 : this.#nextMessageId(),
    };
  }

  #nextMessageId(): number {
    do this.#lastMessageId = (this.#lastMessageId % 65_535) + 1;
    while (this.#inFlight.has(this.#lastMessageId));
    this.#inFlight.add(this.#lastMessageId);
    return this.#lastMessageId;
  }
}
