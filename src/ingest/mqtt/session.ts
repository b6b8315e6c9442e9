/** What a device that is logged in says and is told. The connection under it frames, holds and ends. */
import type { ISubscribePacket, IUnsubscribePacket } from "mqtt-packet";
import { errorTable, messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { formatOfContentType } from "../codecs/format.js";
import { stillWelcome } from "../device-access.js";
import type { DeviceAccess } from "../device-access.js";
import { Speaker } from "../gateways/speaker.js";
import type { ChildRegistry } from "../gateways/children.js";
import type { Done, Ingest, Outcome, Presence } from "../ingest.js";
import type { Wait } from "../limits/limits.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { upTopic } from "../topics.js";
import { AckQueue } from "./ack-queue.js";
import type { Unacknowledged } from "./ack-queue.js";
import { PlainPublishes } from "./plain-publishes.js";
import { Downlink } from "./downlink.js";
import type { DownMessage } from "./downlink.js";
import type { DurableSession, Saved } from "./durable-session.js";
import type { EndReason } from "./end-reason.js";
import { ExactlyOnce } from "./exactly-once.js";
import type { Admitted, Will } from "./login.js";
import { endWithWill } from "./last-will.js";
import type { Outgoing } from "./outgoing.js";
import { PINGRESP } from "./packets.js";
import type { Incoming, Publish } from "./packets.js";
import { checkClaims, responseTo } from "./publish-claims.js";
import { publishReason, reasons, subscribeReason } from "./reasons.js";
import { hashOf } from "./session-record.js";
import type { PendingWill, SessionState } from "./session-record.js";
import { TopicAliases } from "./topic-aliases.js";
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
  readonly close: (reason: EndReason, code: number, message: string) => void;
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

/** PUBLISHes of one connection that wait for their acknowledgement, QoS 2 until PUBCOMP. Announced to MQTT 5 clients. */
export const RECEIVE_MAXIMUM = 1_024;
/** A client that can be told, and would have to wait longer, is told. */
const MAX_SILENT_WAIT_MS = 5_000;

export class Session {
  access: DeviceAccess;
  readonly clientId: string;
  #will: Will | undefined;
  #isOver = false;
  #isDueSoon = false;
  readonly #deps: SessionDeps;
  readonly #speaker: Speaker;
  readonly #downlink: Downlink;
  readonly #acks = new AckQueue();
  readonly #plain: PlainPublishes;
  // Made when first needed: most devices have neither.
  #exactlyOnce: ExactlyOnce | undefined;
  #aliases: TopicAliases | undefined;

  constructor(deps: SessionDeps) {
    const { access, clientId, will } = deps.admitted;
    this.access = access;
    this.clientId = clientId;
    this.#will = will;
    this.#deps = deps;
    const { ingest, registry, logger, lastHeardAt } = deps;
    const send = (topic: string, payload: string | Uint8Array): void => this.#sendSubscribed(topic, payload);
    const owesMore = (): void => this.#sendDueSoon();
    this.#speaker = new Speaker({ ingest, registry, logger, door: "mqtt", send, owesMore, lastHeardAt }, access);
    this.#downlink = new Downlink(deps.receiveMaximum, deps.state.sent);
    this.#plain = new PlainPublishes(ingest, access, this.#acks, (entry, outcome) => this.#answered(entry, outcome));
    if (deps.state.received.length > 0) this.#exactlyOnce = this.#createExactlyOnce();
  }

  /** PUBLISHes whose PUBACK or PUBREC has not left. */
  get unacknowledged(): number {
    return this.#acks.size + (this.#exactlyOnce?.pending ?? 0);
  }

  /** After CONNACK: takes up the subscriptions of the session, and sends what is owed. */
  async resume(): Promise<void> {
    for (const { filter, qos, id } of this.#deps.state.subscriptions) {
      const refused = await this.#mayHear(filter);
      if (refused === undefined) this.#downlink.subscribe(filter, qos, id);
    }
    if (!this.#isOver) this.#sendDue();
  }

  /** A whole packet, if it is a PUBLISH in its plainest form; false: `handle` is to have it. */
  takePlain(packet: Buffer): boolean {
    const { version } = this.#deps.outgoing;
    if (version === 5 && this.#acks.size + (this.#exactlyOnce?.held ?? 0) >= RECEIVE_MAXIMUM) return false;
    return this.#plain.take(packet, version, this.access);
  }

  handle(packet: Incoming): void {
    switch (packet.cmd) {
      case "publish":
        return this.#publish(packet);
      case "puback":
        if (this.#downlink.acknowledged(packet.messageId ?? 0)) this.#sendDueSoon();
        return undefined;
      case "pubrel":
        this.#exactlyOnce ??= this.#createExactlyOnce();
        return this.#exactlyOnce.release(packet.messageId ?? 0);
      case "pingreq":
        return this.#deps.outgoing.write(PINGRESP);
      case "subscribe":
        return void this.#subscribe(packet);
      case "unsubscribe":
        return this.#unsubscribe(packet);
      case "disconnect":
        return this.#disconnect(packet.reasonCode, packet.properties?.sessionExpiryInterval);
      default:
        return this.#protocolError(reasons.protocolError, `a client must not send ${packet.cmd.toUpperCase()} here`);
    }
  }

  /** The device has changed, or a credential has; also called now and then. */
  refresh(access: DeviceAccess): void {
    this.access = access;
    this.#speaker.refresh(access);
    if (stillWelcome(access, this.#deps.admitted.credentialId, Date.now())) {
      this.#deps.durable?.refresh(this.#state, Date.now());
      this.#sendDue();
      return;
    }
    const message = `the device is ${access.status}, or its credential was revoked or has expired`;
    this.#deps.close("not-welcome", reasons.administrativeAction, message);
  }

  /** A device that this one is the gateway of has changed. */
  childChanged(access: DeviceAccess): void {
    if (this.#speaker.childChanged(access)) this.#sendDue();
  }

  /** Sends the PUBACKs and PUBRECs that are due, all PUBACKs in one write. */
  flushAcks(): void {
    const { outgoing } = this.#deps;
    let plain: number[] = [];
    for (let entry = this.#acks.shiftAnswered(); entry !== undefined; entry = this.#acks.shiftAnswered()) {
      const { messageId, others, outcome } = entry;
      if (outcome?.kind === "failed") {
        outgoing.sendPubacks(plain);
        this.#deps.close("not-stored", reasons.serverUnavailable, outcome.error.message);
        return;
      }
      if (outcome?.kind === "refused" && outgoing.version === 5) {
        outgoing.sendPubacks(plain);
        plain = [];
        outgoing.send({ cmd: "puback", messageId, ...this.#refused(outcome.refusal) });
      } else {
        plain.push(messageId, ...others);
      }
    }
    outgoing.sendPubacks(plain);
    if (this.#exactlyOnce !== undefined) this.#flushPubrecs(this.#exactlyOnce);
  }

  /** Answers that come later are dropped. */
  end({ withWill, successor, presence }: SessionEnd): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#isOver = true;
    this.#exactlyOnce?.end();
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
    received: [...(this.#exactlyOnce?.ids() ?? [])],
    sent: this.#downlink.unacknowledged,
  });

  #publish(packet: Publish): void {
    const { ingest, outgoing } = this.#deps;
    const { qos, payload } = packet;
    let { topic } = packet;
    if (topic === "" || packet.properties?.topicAlias !== undefined) {
      this.#aliases ??= new TopicAliases();
      const resolved = this.#aliases.resolve(packet);
      if (typeof resolved !== "string") return this.#protocolError(resolved.code, resolved.reason);
      topic = resolved;
    }
    if (packet.retain && outgoing.version === 5) {
      const message = "retained messages are not kept: publish without retain";
      ingest.refuse(this.access, refusal("BAD_REQUEST", message), payload, { door: "mqtt", topic }, () => {});
      return this.#protocolError(reasons.retainNotSupported, message);
    }
    if (qos > 0 && this.#isBeyondMaximum(packet)) {
      const message = `${RECEIVE_MAXIMUM} messages wait for their acknowledgement: that is the announced receive maximum`;
      return this.#deps.close("protocol", reasons.receiveMaximumExceeded, message);
    }
    const wait = ingest.limits.take(this.access, payload.length);
    if (wait !== undefined) return this.#limited(packet, topic, wait);
    return this.#take(packet, topic, undefined);
  }

  /** Version 3.1.1 announces no maximum, and is held back instead; but what it does not release cannot be held back. */
  #isBeyondMaximum({ qos, messageId }: Publish): boolean {
    const held = this.#exactlyOnce?.held ?? 0;
    if (qos === 2 && this.#exactlyOnce?.holds(messageId) === true) return false;
    if (this.#deps.outgoing.version === 5) return this.#acks.size + held >= RECEIVE_MAXIMUM;
    return qos === 2 && held >= RECEIVE_MAXIMUM;
  }

  #limited(packet: Publish, topic: string, { waitMs, limit }: Wait): void {
    const canBeTold = packet.qos > 0 && this.#deps.outgoing.version === 5;
    if (canBeTold && waitMs > MAX_SILENT_WAIT_MS) this.#take(packet, topic, refusal("LIMIT_EXCEEDED", limit));
    else this.#deps.holdFor(waitMs, packet);
  }

  #take(packet: Publish, topic: string, refused: Refusal | undefined): void {
    const { qos, messageId, payload, properties } = packet;
    if (qos === 2) {
      this.#exactlyOnce ??= this.#createExactlyOnce();
      this.#exactlyOnce.publish(messageId, hashOf(topic, payload), (receivedAt, done) => {
        const told: Done = (outcome) => {
          done(outcome);
          this.#closeIfForbidden(outcome);
        };
        this.#store(packet, topic, refused, told, receivedAt);
      });
      return;
    }
    const entry = qos === 1 ? this.#acks.push(messageId) : undefined;
    const told: Done = (outcome) => this.#answered(entry, outcome);
    if (properties === undefined && refused === undefined) this.#speaker.publish(topic, payload, undefined, told);
    else this.#store(packet, topic, refused, told, undefined);
  }

  /** The way of what is not plain: what the message says of itself is looked at, and its sender answered where it asks. */
  #store(
    packet: Publish,
    topic: string,
    refused: Refusal | undefined,
    told: Done,
    receivedAt: number | undefined,
  ): void {
    const { payload, properties } = packet;
    const claims = refused ?? checkClaims(properties, payload, this.access);
    const answerTo = properties?.responseTopic;
    const done: Done =
      answerTo === undefined
        ? told
        : (outcome) => {
            told(outcome);
            this.#respond(answerTo, properties?.correlationData, outcome);
          };
    if ("code" in claims) {
      const { tenantId, deviceId } = this.access;
      // Once the device's type has a codec for it, it can be taken in.
      const isTelemetry = refused === undefined && topic === upTopic(tenantId, deviceId, "telemetry");
      const form = isTelemetry ? { form: { as: "message", topic: "telemetry" } as const } : {};
      this.#deps.ingest.refuse(this.access, claims, payload, { door: "mqtt", topic, ...form }, done);
    } else this.#speaker.publish(topic, payload, claims.format, done, receivedAt);
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
    this.#closeIfForbidden(outcome);
  }

  /** MQTT 3.1.1 has no other way to say no (section 3.3.5). */
  #closeIfForbidden(outcome: Outcome): void {
    if (this.#isOver || outcome.kind !== "refused" || this.#deps.outgoing.version === 5) return;
    const { code, message } = outcome.refusal;
    if (code === "TOPIC_NOT_ALLOWED") this.#deps.close("topic", errorTable[code].mqtt, message);
  }

  #respond(topic: string, correlationData: Buffer | undefined, outcome: Outcome): void {
    if (this.#isOver) return;
    const properties = correlationData === undefined ? {} : { correlationData };
    this.#sendSubscribed(topic, responseTo(outcome), properties);
  }

  #flushPubrecs(exactlyOnce: ExactlyOnce): void {
    const { outgoing } = this.#deps;
    for (let entry = exactlyOnce.shiftAnswered(); entry !== undefined; entry = exactlyOnce.shiftAnswered()) {
      const { messageId, outcome } = entry;
      if (outcome?.kind === "failed") {
        this.#deps.close("not-stored", reasons.serverUnavailable, outcome.error.message);
        return;
      }
      if (outcome?.kind === "refused" && outgoing.version === 5) {
        exactlyOnce.refused(messageId);
        outgoing.send({ cmd: "pubrec", messageId, ...this.#refused(outcome.refusal) });
      } else {
        outgoing.send({ cmd: "pubrec", messageId });
      }
    }
  }

  #refused({ code, message }: Refusal): { readonly reasonCode: number } {
    return { reasonCode: publishReason(errorTable[code].mqtt), ...this.#deps.outgoing.reason(message) };
  }

  #createExactlyOnce(): ExactlyOnce {
    const { durable, outgoing, state, acksDue } = this.#deps;
    const lost = (problem: "taken-over" | "unavailable"): void => this.#sessionLost(problem);
    return new ExactlyOnce(
      {
        keep: durable === undefined ? undefined : (saved) => durable.save(this.#state, saved),
        lost,
        pubcomp: (messageId, reasonCode) => {
          if (this.#isOver) return;
          outgoing.send({ cmd: "pubcomp", messageId, ...(outgoing.version === 5 ? { reasonCode } : {}) });
        },
        protocolError: (message) => this.#protocolError(reasons.protocolError, message),
        answered: acksDue,
      },
      state.received,
    );
  }

  async #subscribe({ messageId, subscriptions, properties }: ISubscribePacket): Promise<void> {
    const { ingest, outgoing } = this.#deps;
    if (subscriptions.length === 0) {
      this.#protocolError(reasons.protocolError, "SUBSCRIBE names no topic filter");
      return;
    }
    const reasonsGiven: string[] = [];
    const granted: number[] = [];
    for (const { topic, qos } of subscriptions) {
      const verdict = await this.#mayHear(topic);
      if (this.#isOver || verdict === "unknown") return;
      const outcome = verdict ?? this.#downlink.subscribe(topic, qos, properties?.subscriptionIdentifier);
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
    this.#keep((problem) => {
      if (this.#isOver) return;
      if (problem !== undefined) {
        this.#sessionLost(problem);
        return;
      }
      outgoing.send({ cmd: "suback", ...id, granted, ...outgoing.reason(reasonsGiven[0]) });
      for (const [index, { topic }] of subscriptions.entries()) {
        if ((granted[index] ?? 0x80) < 0x80) this.#speaker.subscribed(topic);
      }
      this.#sendDue();
    });
  }

  /** "unknown": the registry does not answer, and the connection has ended for it. */
  async #mayHear(filter: string): Promise<Refusal | undefined | "unknown"> {
    try {
      return await this.#speaker.checkFilter(filter);
    } catch (error) {
      this.#deps.logger.debug({ error: messageOf(error) }, "a subscription came while the registry was away");
      const message = "the registry does not answer: subscribe again later";
      if (!this.#isOver) this.#deps.close("not-stored", reasons.serverUnavailable, message);
      return "unknown";
    }
  }

  #unsubscribe({ messageId, unsubscriptions }: IUnsubscribePacket): void {
    const granted = unsubscriptions.map((filter) =>
      this.#downlink.unsubscribe(filter) ? reasons.success : reasons.noSubscriptionExisted,
    );
    this.#keep((problem) => {
      if (this.#isOver) return;
      if (problem !== undefined) this.#sessionLost(problem);
      else this.#deps.outgoing.send({ cmd: "unsuback", ...(messageId === undefined ? {} : { messageId }), granted });
    });
  }

  #disconnect(reasonCode: number | undefined, expiry: number | undefined): void {
    const { durable, maxExpirySeconds } = this.#deps;
    if (expiry !== undefined && expiry > 0 && durable === undefined) {
      const message = "DISCONNECT asks for a session that CONNECT did not ask for";
      return this.#protocolError(reasons.protocolError, message);
    }
    if (expiry !== undefined && durable !== undefined) durable.expirySeconds = Math.min(expiry, maxExpirySeconds);
    if (reasonCode !== reasons.disconnectWithWill) this.#will = undefined;
    return this.#deps.disconnected();
  }

  /** Once for all acknowledgements of a chunk: what a gateway is owed for its devices may be a long list. */
  #sendDueSoon(): void {
    if (this.#isDueSoon) return;
    this.#isDueSoon = true;
    queueMicrotask(() => {
      this.#isDueSoon = false;
      this.#sendDue();
    });
  }

  /** Sends what the device is owed, and has asked for. */
  #sendDue(): void {
    if (this.#isOver || !this.#downlink.hasSubscriptions) return;
    let sends = false;
    for (const owed of this.#speaker.owed()) {
      const message = this.#downlink.due(owed);
      if (message === undefined) {
        // Its acknowledgements bring us back here.
        if (this.#downlink.isWaiting) break;
        continue;
      }
      sends ||= message.messageId > 0;
      this.#send(message, owed.topic, owed.payload(), {});
    }
    // So that the next connection sends it under the same identifier; not waited for, because what is owed is kept elsewhere.
    if (sends) this.#deps.durable?.save(this.#state, (problem) => problem !== undefined && this.#sessionLost(problem));
  }

  #sendSubscribed(topic: string, payload: string | Uint8Array, properties: { correlationData?: Buffer } = {}): void {
    if (this.#isOver) return;
    const match = this.#downlink.match(topic);
    if (match !== undefined) this.#send(this.#downlink.place(match), topic, payload, properties);
  }

  #send(
    { qos, messageId, dup, ids }: DownMessage,
    topic: string,
    payload: string | Uint8Array,
    more: { readonly correlationData?: Buffer },
  ): void {
    const { outgoing } = this.#deps;
    const bytes = typeof payload === "string" ? payload : Buffer.from(payload);
    const properties =
      outgoing.version === 5 ? { ...more, ...(ids.length === 0 ? {} : { subscriptionIdentifier: [...ids] }) } : {};
    const packet = { cmd: "publish", topic, payload: bytes, qos, dup, retain: false, properties } as const;
    const sent = outgoing.send(qos === 0 ? packet : { ...packet, messageId });
    // As if it had been acknowledged (MQTT 5, section 3.1.2.11.4).
    if (!sent) this.#downlink.acknowledged(messageId);
  }

  #keep(saved: Saved): void {
    const { durable } = this.#deps;
    if (durable === undefined) saved();
    else durable.save(this.#state, saved);
  }

  #sessionLost(problem: "taken-over" | "unavailable"): void {
    if (this.#isOver) return;
    if (problem === "taken-over") {
      const message = "another connection has logged in with the same client id";
      this.#deps.close("taken-over", reasons.sessionTakenOver, message);
    } else {
      const message = "the session could not be kept: connect again";
      this.#deps.close("session-lost", reasons.serverUnavailable, message);
    }
  }

  #protocolError(code: number, message: string): void {
    this.#deps.close("protocol", code, message);
  }
}

/** Names a session: client ids are each device's own. */
export function sessionKey(
  { tenantId, deviceId }: { readonly tenantId: string; readonly deviceId: string },
  clientId: string,
): string {
  return `${tenantId}/${deviceId}/${clientId}`;
}
