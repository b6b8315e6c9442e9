/** What a device that is logged in says and is told, by its parts: up, down, and what it asks to hear. The connection under it frames, holds and ends. */
import type { Logger } from "../../platform/logger.js";
import { formatOfContentType } from "../codecs/format.js";
import { stillWelcome } from "../registry/device-access.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { ChildRegistry } from "../gateways/children.js";
import { Speaker } from "../gateways/speaker.js";
import type { Done, Ingest, Presence } from "../ingest.js";
import { Answers } from "./answers.js";
import { Delivery } from "./delivery.js";
import { Downlink } from "./downlink.js";
import type { DurableSession } from "./durable-session.js";
import { endWithWill } from "./last-will.js";
import type { Admitted, Will } from "./login.js";
import type { Outgoing } from "./outgoing.js";
import { PINGRESP } from "./packets.js";
import type { Incoming, Publish } from "./packets.js";
import { reasons } from "./reasons.js";
import { SessionLife } from "./session-life.js";
import type { Close } from "./session-life.js";
import { sessionKey } from "./session-record.js";
import type { PendingWill, SessionState } from "./session-record.js";
import { Subscribing } from "./subscribing.js";
import { Uplink } from "./uplink.js";
import type { PendingWills } from "./wills.js";

export interface SessionDeps {
  readonly ingest: Ingest;
  readonly registry: ChildRegistry;
  readonly logger: Logger;
  readonly outgoing: Outgoing;
  readonly admitted: Admitted;
  /** How many QoS 1 messages the device takes at one time. */
  readonly receiveMaximum: number;
  /** What an earlier connection has left; empty for a new session. */
  readonly state: SessionState;
  /** Where it is kept; not set for a session that ends with its connection. */
  readonly durable: DurableSession | undefined;
  readonly maxExpirySeconds: number;
  readonly wills: PendingWills;
  readonly close: Close;
  /** DISCONNECT has come. */
  readonly disconnected: () => void;
  /** Has `flushAcks` called before long. */
  readonly acksDue: () => void;
  /** Stops reading, and has the packet handled again after that time: a limit is reached. */
  readonly holdFor: (waitMs: number, packet: Publish) => void;
  /** Ms since the epoch. */
  readonly lastHeardAt: () => number;
}

/** How a connection has ended, for what follows from it. */
export interface SessionEnd {
  /** Whether its last word counts. */
  readonly withWill: boolean;
  /** Another connection has the session now. */
  readonly successor?: { readonly clean: boolean };
  /** `undefined`: our own end, which says nothing of the device. */
  readonly presence: Presence["reason"] | undefined;
}

export class Session {
  access: DeviceAccess;
  readonly clientId: string;
  #will: Will | undefined;
  readonly #deps: SessionDeps;
  readonly #life: SessionLife;
  readonly #speaker: Speaker;
  readonly #downlink: Downlink;
  readonly #delivery: Delivery;
  readonly #answers: Answers;
  readonly #uplink: Uplink;
  readonly #subscribing: Subscribing;

  constructor(deps: SessionDeps) {
    const { access, clientId, will } = deps.admitted;
    this.access = access;
    this.clientId = clientId;
    this.#will = will;
    this.#deps = deps;
    const { ingest, registry, logger, outgoing, lastHeardAt, holdFor } = deps;
    const send = (topic: string, payload: string | Uint8Array): void => this.#delivery.sendSubscribed(topic, payload);
    const owesMore = (): void => this.#delivery.sendDueSoon();
    const speaker = new Speaker({ ingest, registry, logger, door: "mqtt", send, owesMore, lastHeardAt }, access);
    const downlink = new Downlink(deps.receiveMaximum, deps.state.sent);
    const life = new SessionLife(deps.durable, this.#state, deps.close);
    const delivery = new Delivery({ outgoing, downlink, life, speaker });
    const answers = new Answers({ outgoing, delivery, life, received: deps.state.received, due: deps.acksDue });
    this.#speaker = speaker;
    this.#downlink = downlink;
    this.#life = life;
    this.#delivery = delivery;
    this.#answers = answers;
    this.#uplink = new Uplink({ ingest, outgoing, speaker, answers, life, holdFor });
    this.#subscribing = new Subscribing({ ingest, logger, outgoing, speaker, downlink, delivery, life });
  }

  /** PUBLISHes whose PUBACK or PUBREC has not left. */
  get unacknowledged(): number {
    return this.#answers.unacknowledged;
  }

  /** After CONNACK: takes up the subscriptions of the session, and sends what is owed. */
  resume(): Promise<void> {
    return this.#subscribing.resume(this.#deps.state.subscriptions);
  }

  /** A whole packet, if it is a PUBLISH in its plainest form; false: `handle` is to have it. */
  takePlain(packet: Buffer): boolean {
    return this.#uplink.takePlain(packet, this.access);
  }

  handle(packet: Incoming): void {
    switch (packet.cmd) {
      case "publish":
        return this.#uplink.publish(packet);
      case "puback":
        return this.#delivery.acknowledged(packet.messageId ?? 0);
      case "pubrel":
        return this.#answers.exactlyOnce.release(packet.messageId ?? 0);
      case "pingreq":
        return this.#deps.outgoing.write(PINGRESP);
      case "subscribe":
        return void this.#subscribing.subscribe(packet);
      case "unsubscribe":
        return this.#subscribing.unsubscribe(packet);
      case "disconnect":
        return this.#disconnect(packet.reasonCode, packet.properties?.sessionExpiryInterval);
      default:
        return this.#life.protocolError(
          reasons.protocolError,
          `a client must not send ${packet.cmd.toUpperCase()} here`,
        );
    }
  }

  /** The device has changed, or a credential has; also called now and then. */
  refresh(access: DeviceAccess): void {
    this.access = access;
    this.#speaker.refresh(access);
    if (stillWelcome(access, this.#deps.admitted.credentialId, Date.now())) {
      this.#deps.durable?.refresh(this.#state, Date.now());
      this.#delivery.sendDue();
      return;
    }
    const message = `the device is ${access.status}, or its credential was revoked or has expired`;
    this.#deps.close("not-welcome", reasons.administrativeAction, message);
  }

  /** A device that this one is the gateway of has changed. */
  childChanged(access: DeviceAccess): void {
    if (this.#speaker.childChanged(access)) this.#delivery.sendDue();
  }

  /** Sends the PUBACKs and PUBRECs that are due, all PUBACKs in one write. */
  flushAcks(): void {
    this.#answers.flush();
  }

  /** Answers that come later are dropped. */
  end({ withWill, successor, presence }: SessionEnd): Promise<void> {
    if (this.#life.isOver) return Promise.resolve();
    this.#life.isOver = true;
    this.#answers.end();
    const { durable } = this.#deps;
    const now = Date.now();
    const pending = endWithWill(withWill ? this.#will : undefined, successor, now, {
      key: sessionKey(this.access, this.clientId),
      wills: this.#deps.wills,
      durable,
      access: () => this.#deps.registry.peek(this.access.tenantId, this.access.deviceId) ?? this.access,
      send: (will) => this.sendWill(will),
    });
    this.#will = undefined;
    this.#speaker.end(presence);
    // The one who takes the session over writes it from now on.
    if (successor !== undefined || durable === undefined) return Promise.resolve();
    return durable.end(this.#state(), pending, now);
  }

  /** Takes a will in, as if it had come when it was due. */
  sendWill({ topic, payload, contentType, dueAt }: PendingWill): void {
    const format = formatOfContentType(contentType);
    const known = format === "unsupported" ? undefined : format;
    const told: Done = (outcome) => {
      if (outcome.kind !== "failed") return;
      this.#deps.logger.warn({ device: this.access.deviceId }, "a last will was not stored");
    };
    this.#speaker.lastWord(topic, Buffer.from(payload, "base64"), known, told, dueAt);
  }

  readonly #state = (): SessionState => ({
    subscriptions: this.#downlink.subscriptions,
    received: this.#answers.received(),
    sent: this.#downlink.unacknowledged,
  });

  #disconnect(reasonCode: number | undefined, expiry: number | undefined): void {
    const { durable, maxExpirySeconds } = this.#deps;
    if (expiry !== undefined && expiry > 0 && durable === undefined) {
      const message = "DISCONNECT asks for a session that CONNECT did not ask for";
      return this.#life.protocolError(reasons.protocolError, message);
    }
    if (expiry !== undefined && durable !== undefined) durable.expirySeconds = Math.min(expiry, maxExpirySeconds);
    if (reasonCode !== reasons.disconnectWithWill) this.#will = undefined;
    return this.#deps.disconnected();
  }
}
