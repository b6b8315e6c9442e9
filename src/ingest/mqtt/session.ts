/** What a device that is logged in says and is told. The connection under it frames, holds and ends. */
import type { ISubscribePacket, IUnsubscribePacket } from "mqtt-packet";
import { errorTable } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { stillWelcome } from "../device-access.js";
import type { DeviceAccess } from "../device-access.js";
import type { Ingest, Outcome } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { classifyTopic, upTopic } from "../topics.js";
import { AckQueue } from "./ack-queue.js";
import type { Unacknowledged } from "./ack-queue.js";
import { Downlink } from "./downlink.js";
import type { EndReason } from "./end-reason.js";
import type { Admitted, Will } from "./login.js";
import type { Outgoing } from "./outgoing.js";
import { PINGRESP } from "./packets.js";
import type { Incoming, Publish } from "./packets.js";
import { reasons } from "./reasons.js";

export interface SessionDeps {
  readonly ingest: Ingest;
  readonly logger: Logger;
  readonly outgoing: Outgoing;
  readonly admitted: Admitted;
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
  readonly #acks = new AckQueue();

  constructor(deps: SessionDeps) {
    const { access, clientId, credentialId, will } = deps.admitted;
    this.access = access;
    this.clientId = clientId;
    this.#credentialId = credentialId;
    this.#will = will;
    this.#deps = deps;
    this.#downlink = new Downlink(deps.receiveMaximum);
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
        return this.#downlink.acknowledged(packet.messageId ?? 0);
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
      this.#sendDueConfiguration();
      return;
    }
    const message = `the device is ${access.status}, or its credential was revoked or has expired`;
    this.#deps.close("not-welcome", reasons.administrativeAction, message);
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

  /** Answers that come later are dropped. The will is taken in, unless a DISCONNECT has taken it back. */
  end(withWill: boolean): void {
    this.#isOver = true;
    const will = this.#will;
    this.#will = undefined;
    if (!withWill || will === undefined) return;
    const { access } = this;
    const source = { door: "mqtt", topic: upTopic(access.tenantId, access.deviceId, will.topic) } as const;
    this.#deps.ingest.accept(will.topic, access, will.payload, source, (outcome) => {
      if (outcome.kind === "failed") this.#deps.logger.warn({ device: access.deviceId }, "a last will was not stored");
    });
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
    const kind = classifyTopic(topic, access.tenantId, access.deviceId);
    const entry = qos === 1 ? this.#acks.push(messageId) : undefined;
    if (typeof kind === "string") {
      ingest.accept(kind, access, payload, source, (outcome) => this.#answered(entry, outcome));
      return;
    }
    ingest.refuse(access, kind, payload, source, (outcome) => {
      this.#answered(entry, outcome);
      // MQTT 3.1.1 has no other way to say no (section 3.3.5).
      if (outgoing.version !== 5) this.#deps.close("topic", errorTable[kind.code].mqtt, kind.message);
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
    const refusals: Refusal[] = [];
    const granted = subscriptions.map(({ topic, qos }) => {
      const outcome = this.#downlink.subscribe(topic, qos, this.access);
      if (typeof outcome === "number") return outcome;
      refusals.push(outcome);
      ingest.counters.rejected("mqtt", outcome.code);
      return outgoing.version === 5 ? errorTable[outcome.code].mqtt : 0x80;
    });
    const id = messageId === undefined ? {} : { messageId };
    outgoing.send({ cmd: "suback", ...id, granted, ...outgoing.reason(refusals[0]?.message) });
    this.#sendDueConfiguration();
  }

  #unsubscribe({ messageId, unsubscriptions }: IUnsubscribePacket): void {
    const granted = unsubscriptions.map((filter) =>
      this.#downlink.unsubscribe(filter) ? reasons.success : reasons.noSubscriptionExisted,
    );
    this.#deps.outgoing.send({ cmd: "unsuback", ...(messageId === undefined ? {} : { messageId }), granted });
  }

  #sendDueConfiguration(): void {
    const due = this.#downlink.dueConfiguration(this.access);
    if (due === undefined) return;
    const { topic, payload, qos, messageId } = due;
    const packet = { cmd: "publish", topic, payload, qos, dup: false, retain: false } as const;
    this.#deps.outgoing.send(qos === 0 ? packet : { ...packet, messageId });
  }

  #protocolError(code: number, message: string): void {
    this.#deps.close("protocol", code, message);
  }
}
