/** SUBSCRIBE and UNSUBSCRIBE: what a device may hear is granted, kept with its session, and then answered. */
import type { ISubscribePacket, IUnsubscribePacket } from "mqtt-packet";
import { errorTable, messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import type { Speaker } from "../gateways/speaker.js";
import type { Ingest } from "../ingest.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Delivery } from "./delivery.js";
import type { Downlink } from "./downlink.js";
import type { Outgoing } from "./outgoing.js";
import { reasons, subscribeReason } from "./reasons.js";
import type { SessionLife } from "./session-life.js";
import type { SessionState } from "./session-record.js";

export interface SubscribingDeps {
  readonly ingest: Ingest;
  readonly logger: Logger;
  readonly outgoing: Outgoing;
  readonly speaker: Speaker;
  readonly downlink: Downlink;
  readonly delivery: Delivery;
  readonly life: SessionLife;
}

export class Subscribing {
  readonly #deps: SubscribingDeps;

  constructor(deps: SubscribingDeps) {
    this.#deps = deps;
  }

  /** Takes up the subscriptions of the session, where the device may still have them, and sends what is owed. */
  async resume(subscriptions: SessionState["subscriptions"]): Promise<void> {
    const { downlink, delivery, life } = this.#deps;
    for (const { filter, qos, id } of subscriptions) {
      const refused = await this.#mayHear(filter);
      if (refused === undefined) downlink.subscribe(filter, qos, id);
    }
    if (!life.isOver) delivery.sendDue();
  }

  async subscribe({ messageId, subscriptions, properties }: ISubscribePacket): Promise<void> {
    const { ingest, outgoing, speaker, downlink, delivery, life } = this.#deps;
    if (subscriptions.length === 0) {
      life.protocolError(reasons.protocolError, "SUBSCRIBE names no topic filter");
      return;
    }
    const reasonsGiven: string[] = [];
    const granted: number[] = [];
    for (const { topic, qos } of subscriptions) {
      const verdict = await this.#mayHear(topic);
      if (life.isOver || verdict === "unknown") return;
      const outcome = verdict ?? downlink.subscribe(topic, qos, properties?.subscriptionIdentifier);
      if (typeof outcome === "number") {
        granted.push(outcome);
        continue;
      }
      ingest.counters.rejected("mqtt", outcome.code);
      const isShared = topic.startsWith("$share/");
      reasonsGiven.push(
        isShared ? "shared subscriptions are not offered: subscribe to the filter itself" : outcome.message,
      );
      const code = isShared ? reasons.sharedSubscriptionsNotSupported : subscribeReason(errorTable[outcome.code].mqtt);
      granted.push(outgoing.version === 5 ? code : 0x80);
    }
    const id = messageId === undefined ? {} : { messageId };
    life.keep((problem) => {
      if (life.isOver) return;
      if (problem !== undefined) {
        life.lost(problem);
        return;
      }
      outgoing.send({ cmd: "suback", ...id, granted, ...outgoing.reason(reasonsGiven[0]) });
      for (const [index, { topic }] of subscriptions.entries()) {
        if ((granted[index] ?? 0x80) < 0x80) speaker.subscribed(topic);
      }
      delivery.sendDue();
    });
  }

  unsubscribe({ messageId, unsubscriptions }: IUnsubscribePacket): void {
    const { outgoing, downlink, life } = this.#deps;
    const granted = unsubscriptions.map((filter) =>
      downlink.unsubscribe(filter) ? reasons.success : reasons.noSubscriptionExisted,
    );
    life.keep((problem) => {
      if (life.isOver) return;
      if (problem !== undefined) life.lost(problem);
      else outgoing.send({ cmd: "unsuback", ...(messageId === undefined ? {} : { messageId }), granted });
    });
  }

  /** "unknown": the registry does not answer, and the connection has ended for it. */
  async #mayHear(filter: string): Promise<Refusal | undefined | "unknown"> {
    const { logger, speaker, life } = this.#deps;
    try {
      return await speaker.checkFilter(filter);
    } catch (error) {
      logger.debug({ error: messageOf(error) }, "a subscription came while the registry was away");
      const message = "the registry does not answer: subscribe again later";
      if (!life.isOver) life.close("not-stored", reasons.serverUnavailable, message);
      return "unknown";
    }
  }
}
