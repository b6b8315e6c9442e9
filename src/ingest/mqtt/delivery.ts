/** Sends a device what it is owed, and what else it has a subscription for. What may be sent, and under which identifier, the downlink says. */
import type { Owed } from "../gateways/owed.js";
import type { Downlink, DownMessage } from "./downlink.js";
import type { Outgoing } from "./outgoing.js";
import type { SessionLife } from "./session-life.js";

export interface DeliveryDeps {
  readonly outgoing: Outgoing;
  readonly downlink: Downlink;
  readonly life: SessionLife;
  /** In whose name it is owed anything. */
  readonly speaker: { owed(): Iterable<Owed> };
}

export class Delivery {
  readonly #deps: DeliveryDeps;
  #isDueSoon = false;

  constructor(deps: DeliveryDeps) {
    this.#deps = deps;
  }

  /** Once for all acknowledgements of a chunk: what a gateway is owed for its devices may be a long list. */
  sendDueSoon(): void {
    if (this.#isDueSoon) return;
    this.#isDueSoon = true;
    queueMicrotask(() => {
      this.#isDueSoon = false;
      this.sendDue();
    });
  }

  /** Sends what the device is owed, and has asked for. */
  sendDue(): void {
    const { downlink, speaker, life } = this.#deps;
    if (life.isOver || !downlink.hasSubscriptions) return;
    let sends = false;
    for (const owed of speaker.owed()) {
      const message = downlink.due(owed);
      if (message === undefined) {
        // Its acknowledgements bring us back here.
        if (downlink.isWaiting) break;
        continue;
      }
      sends ||= message.messageId > 0;
      this.#send(message, owed.topic, owed.payload(), {});
    }
    // So that the next connection sends it under the same identifier; not waited for, because what is owed is kept elsewhere.
    if (sends) life.keep((problem) => problem !== undefined && life.lost(problem));
  }

  /** What nobody owes it: dropped where it has no subscription for it. */
  sendSubscribed(topic: string, payload: string | Uint8Array, properties: { correlationData?: Buffer } = {}): void {
    const { downlink, life } = this.#deps;
    if (life.isOver) return;
    const match = downlink.match(topic);
    if (match !== undefined) this.#send(downlink.place(match), topic, payload, properties);
  }

  /** PUBACK of the client: there may be room for more. */
  acknowledged(messageId: number): void {
    if (this.#deps.downlink.acknowledged(messageId)) this.sendDueSoon();
  }

  #send(
    { qos, messageId, dup, ids }: DownMessage,
    topic: string,
    payload: string | Uint8Array,
    more: { readonly correlationData?: Buffer },
  ): void {
    const { outgoing, downlink } = this.#deps;
    const bytes = typeof payload === "string" ? payload : Buffer.from(payload);
    const properties =
      outgoing.version === 5 ? { ...more, ...(ids.length === 0 ? {} : { subscriptionIdentifier: [...ids] }) } : {};
    const packet = { cmd: "publish", topic, payload: bytes, qos, dup, retain: false, properties } as const;
    const sent = outgoing.send(qos === 0 ? packet : { ...packet, messageId });
    // As if it had been acknowledged (MQTT 5, section 3.1.2.11.4).
    if (!sent) downlink.acknowledged(messageId);
  }
}
