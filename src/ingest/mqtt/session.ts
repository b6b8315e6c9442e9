/** What a device that is logged in says and is told. The connection under it frames, holds and ends. */
import type { ISubscribePacket, IUnsubscribePacket } from "mqtt-packet";
import { errorTable, messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { stillWelcome } from "../device-access.js";
import type { DeviceAccess } from "../device-access.js";
import { Speaker } from "../gateways/speaker.js";
import type { Ingest, Outcome, Presence } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry.js";
import { AckQueue } from "./ack-queue.js";
import type { Unacknowledged } from "./ack-queue.js";
import { Downlink } from "./downlink.js";
import type { DownMessage } from "./downlink.js";
import type { EndReason } from "./end-reason.js";
import type { Admitted, Will } from "./login.js";
import type { Outgoing } from "./outgoing.js";
import { PINGRESP } from "./packets.js";
import type { Incoming, Publish } from "./packets.js";
import { reasons } from "./reasons.js";

export interface SessionDeps {
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly outgoing: Outgoing;
  readonly admitted: Admitted;
  /** Ms since the epoch. */
  readonly lastHeardAt: () => number;
  /** How many QoS 1 messages the device takes at one time. */
  readonly receiveMaximum: number;
  readonly close: (reason: EndReason, code: number, message: string) => void;
  /** DISCONNECT has come. */
  readonly disconnected: () => void;
  /** Has `flushAcks` called before long. */
  readonly acksDue: () => void;
}

export class Session {
  access: DeviceAccess;
  readonly clientId: string;
  #will: Will | undefined;
  #isOver = false;
  readonly #credentialId: string;
  readonly #deps: SessionDeps;
  readonly #downlink: Downlink;
  readonly #speaker: Speaker;
  readonly #acks = new AckQueue();

  constructor(deps: SessionDeps) {
    const { access, clientId, credentialId, will } = deps.admitted;
    this.access = access;
    this.clientId = clientId;
    this.#credentialId = credentialId;
    this.#will = will;
    this.#deps = deps;
    this.#downlink = new Downlink(deps.receiveMaximum);
    const { ingest, registry, logger, lastHeardAt } = deps;
    const send = (topic: string, payload: string | Uint8Array): void => this.#send(this.#downlink.offer(topic, payload));
    this.#speaker = new Speaker({ ingest, registry, logger, door: "mqtt", send, lastHeardAt }, access);
  }

  /** PUBLISHes whose PUBACK has not left. */
  get unacknowledged(): number {
    return this.#acks.size;
  }

  handle(packet: Incoming): void {
    switch (packet.cmd) {
      case "publish":
        return this.#publish(packet);
      case "puback":
        this.#downlink.acknowledged(packet.messageId ?? 0);
        return this.#sendDueConfigurations();
      case "pingreq":
        return this.#deps.outgoing.write(PINGRESP);
      case "subscribe":
        return this.#subscribe(packet);
      case "unsubscribe":
        return this.#unsubscribe(packet);
      case "disconnect":
        if (packet.reasonCode !== reasons.disconnectWithWill) this.#will = undefined;
        return this.#deps.disconnected();
      default:
        return this.#protocolError(reasons.protocolError, `a client must not send ${packet.cmd.toUpperCase()} here`);
    }
  }

  /** The device has changed, or a credential has. */
  refresh(access: DeviceAccess): void {
    this.access = access;
    if (stillWelcome(access, this.#credentialId, Date.now())) {
      this.#speaker.refresh(access);
      this.#sendDueConfigurations();
      return;
    }
    const message = `the device is ${access.status}, or its credential was revoked or has expired`;
    this.#deps.close("not-welcome", reasons.administrativeAction, message);
  }

  /** Another device has changed, which has this one as its gateway. */
  childChanged(child: DeviceAccess): void {
    if (this.#speaker.childChanged(child)) this.#sendDueConfigurations();
  }

  /** Sends the PUBACKs that are due, all in one write. */
  flushAcks(): void {
    const { outgoing } = this.#deps;
    let plain: number[] = [];
    for (let entry = this.#acks.shiftAnswered(); entry !== undefined; entry = this.#acks.shiftAnswered()) {
      const { messageId, outcome } = entry;
      if (outcome?.kind === "failed") {
        outgoing.sendPubacks(plain);
        this.#deps.close("not-stored", reasons.serverUnavailable, outcome.error.message);
        return;
      }
      if (outcome?.kind === "refused" && outgoing.version === 5) {
        outgoing.sendPubacks(plain);
        plain = [];
        const { code, message } = outcome.refusal;
        outgoing.send({ cmd: "puback", messageId, reasonCode: errorTable[code].mqtt, ...outgoing.reason(message) });
      } else {
        plain.push(messageId);
      }
    }
    outgoing.sendPubacks(plain);
  }

  /** Answers that come later are dropped. The will is taken in, unless a DISCONNECT has taken it back. `reason` is that of the devices that it spoke for, too; none for our own end. */
  end(withWill: boolean, reason: Presence["reason"]): void {
    this.#isOver = true;
    const will = this.#will;
    this.#will = undefined;
    if (withWill && will !== undefined) {
      this.#speaker.lastWord(will.topic, will.payload, (outcome) => {
        if (outcome.kind === "failed")
          this.#deps.logger.warn({ device: this.access.deviceId }, "a last will was not stored");
      });
    }
    this.#speaker.end(reason);
  }

  #publish(packet: Publish): void {
    const { access } = this;
    const { ingest, outgoing } = this.#deps;
    const { qos, topic, messageId, payload } = packet;
    const source = { door: "mqtt", topic } as const;
    const notOffered = (code: number, message: string): void => {
      ingest.refuse(access, refusal("BAD_REQUEST", message), payload, source, () => {});
      this.#protocolError(code, message);
    };
    if (qos === 2) return notOffered(reasons.qosNotSupported, "QoS 2 is not offered: publish with QoS 0 or 1");
    if (packet.topicAlias !== undefined) {
      return this.#protocolError(
        reasons.topicAliasInvalid,
        "topic aliases are not offered: the announced maximum is 0",
      );
    }
    if (packet.retain && outgoing.version === 5) {
      return notOffered(reasons.retainNotSupported, "retained messages are not kept: publish without retain");
    }
    const entry = qos === 1 ? this.#acks.push(messageId) : undefined;
    this.#speaker.publish(topic, payload, undefined, (outcome) => {
      this.#answered(entry, outcome);
      if (outcome.kind !== "refused" || outgoing.version === 5) return;
      const { code, message } = outcome.refusal;
      // MQTT 3.1.1 has no other way to say no to a topic (section 3.3.5).
      if (code === "TOPIC_NOT_ALLOWED") this.#deps.close("topic", errorTable[code].mqtt, message);
    });
  }

  #answered(entry: Unacknowledged | undefined, outcome: Outcome): void {
    if (this.#isOver) return;
    if (entry !== undefined) {
      entry.outcome = outcome;
      this.#deps.acksDue();
    } else if (outcome.kind === "failed") {
      // QoS 0 has no acknowledgement to withhold; that it was lost is counted, and the device may as well know.
      this.#deps.close("not-stored", reasons.serverUnavailable, outcome.error.message);
    }
  }

  #subscribe({ messageId, subscriptions, properties }: ISubscribePacket): void {
    const { ingest, outgoing } = this.#deps;
    if (properties?.subscriptionIdentifier !== undefined) {
      return this.#protocolError(
        reasons.subscriptionIdentifiersNotSupported,
        "subscription identifiers are not offered",
      );
    }
    if (subscriptions.length === 0) {
      return this.#protocolError(reasons.protocolError, "SUBSCRIBE names no topic filter");
    }
    const verdicts = subscriptions.map(({ topic }) => this.#speaker.checkFilter(topic));
    const grant = (checked: readonly (Refusal | undefined)[]): void => {
      if (this.#isOver) return;
      const refusals: Refusal[] = [];
      const granted = subscriptions.map(({ topic, qos }, index) => {
        const outcome = checked[index] ?? this.#downlink.subscribe(topic, qos);
        if (typeof outcome === "number") return outcome;
        refusals.push(outcome);
        ingest.counters.rejected("mqtt", outcome.code);
        return outgoing.version === 5 ? errorTable[outcome.code].mqtt : 0x80;
      });
      const id = messageId === undefined ? {} : { messageId };
      outgoing.send({ cmd: "suback", ...id, granted, ...outgoing.reason(refusals[0]?.message) });
      for (const [index, { topic }] of subscriptions.entries()) {
        if ((granted[index] ?? 0x80) < 0x80) this.#speaker.subscribed(topic);
      }
      this.#sendDueConfigurations();
    };
    if (!verdicts.some((verdict) => verdict instanceof Promise)) return grant(verdicts as readonly (Refusal | undefined)[]);
    Promise.all(verdicts).then(grant, (error: unknown) => {
      if (this.#isOver) return;
      this.#deps.logger.debug({ error: messageOf(error) }, "a gateway's subscription came while the registry was away");
      this.#deps.close("not-stored", reasons.serverUnavailable, "the registry does not answer: subscribe again later");
    });
  }

  #unsubscribe({ messageId, unsubscriptions }: IUnsubscribePacket): void {
    const granted = unsubscriptions.map((filter) =>
      this.#downlink.unsubscribe(filter) ? reasons.success : reasons.noSubscriptionExisted,
    );
    this.#deps.outgoing.send({ cmd: "unsuback", ...(messageId === undefined ? {} : { messageId }), granted });
  }

  #sendDueConfigurations(): void {
    if (!this.#downlink.hasSubscriptions) return;
    for (const owed of this.#speaker.owed()) this.#send(this.#downlink.due(owed));
  }

  #send(message: DownMessage | undefined): void {
    if (message === undefined) return;
    const { topic, payload, qos, messageId } = message;
    const packet = {
      cmd: "publish",
      topic,
      payload: typeof payload === "string" ? payload : Buffer.from(payload),
      qos,
      dup: false,
      retain: false,
    } as const;
    this.#deps.outgoing.send(qos === 0 ? packet : { ...packet, messageId });
  }

  #protocolError(code: number, message: string): void {
    this.#deps.close("protocol", code, message);
  }
}
