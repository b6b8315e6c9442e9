/** One device's connection: log-in, messages up, acknowledgements and configuration down, and its end. */
import type { Socket } from "node:net";
import type { IConnackPacket, IConnectPacket, ISubscribePacket, IUnsubscribePacket, Packet } from "mqtt-packet";
import { errorTable } from "../../platform/errors.js";
import { newId } from "../../platform/ids.js";
import type { Logger } from "../../platform/logger.js";
import { stillWelcome } from "../device-access.js";
import type { DeviceAccess } from "../device-access.js";
import type { Ingest, Outcome } from "../ingest.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry.js";
import { classifyTopic, upTopic } from "../topics.js";
import { AckQueue } from "./ack-queue.js";
import type { Unacknowledged } from "./ack-queue.js";
import { Downlink } from "./downlink.js";
import { PacketFramer } from "./framing.js";
import { admit, serverUnavailable } from "./login.js";
import type { Admitted, Refused, Will } from "./login.js";
import { decodeConnect, decodePacket, encodePacket, PINGRESP, writePlainPuback } from "./packets.js";
import type { Publish, Version } from "./packets.js";
import { reasons, returnCodes } from "./reasons.js";

/** What the connections of one gateway share. */
export interface Shared {
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
  /** The largest packet taken after log-in, bytes. */
  readonly maxPacketBytes: number;
  /** Called once after log-in, before CONNACK leaves. */
  readonly opened: (connection: Connection) => void;
  /** Called once for every connection. */
  readonly closed: (connection: Connection) => void;
  /** Has `flushAcks` called before long, once for many acknowledgements. */
  readonly flushSoon: (connection: Connection) => void;
}

/** Named for the metrics; `disconnected` is the device's own wish, all others are losses. */
export type EndReason =
  | "disconnected"
  | "connection-lost"
  | "keep-alive"
  | "taken-over"
  | "not-welcome"
  | "protocol"
  | "too-large"
  | "topic"
  | "not-stored"
  | "slow-reader"
  | "connect-timeout"
  | "login-refused"
  | "shutting-down";

/** A CONNECT needs no more; a stranger may fill no more memory than this. */
const MAX_CONNECT_BYTES = 16 * 1024;
/** PUBLISHes of one connection that wait for their acknowledgement; then reading pauses. Announced to MQTT 5 clients. */
const RECEIVE_MAXIMUM = 1_024;
/** What may wait to be written to a device that does not read. */
const MAX_UNREAD_BYTES = 1024 ** 2;
const LINGER_MS = 2_000;

export class Connection {
  readonly session = newId();
  readonly openedAt = Date.now();
  lastHeardAt = this.openedAt;
  /** Seconds; 0 for none. */
  keepAlive = 0;
  #state: "connecting" | "checking" | "open" | "closed" = "connecting";
  #version: Version = 4;
  #admitted: Admitted | undefined;
  #access: DeviceAccess | undefined;
  #will: Will | undefined;
  #downlink = new Downlink(1);
  #wantsReasons = true;
  #maxOutgoingBytes = Number.POSITIVE_INFINITY;
  /** What reading is paused for, by our own wish. */
  #holdsFor: "nothing" | "room" | "acknowledgements" | "the-end" = "nothing";
  readonly #socket: Socket;
  readonly #shared: Shared;
  readonly #framer = new PacketFramer(MAX_CONNECT_BYTES);
  readonly #acks = new AckQueue();

  constructor(socket: Socket, shared: Shared) {
    this.#socket = socket;
    this.#shared = shared;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on("data", (chunk: Buffer) => {
      this.lastHeardAt = Date.now();
      this.#framer.push(chunk);
      // The answers to all packets of a chunk leave in one write.
      socket.cork();
      this.#process();
      socket.uncork();
    });
    // `close` follows, and says all that there is to say.
    socket.on("error", () => {});
    socket.on("close", () => this.#ended("connection-lost"));
  }

  /** Set once it is logged in. */
  get access(): DeviceAccess | undefined {
    return this.#access;
  }

  get clientId(): string {
    return this.#admitted?.clientId ?? "";
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Not read from by our own wish: its silence says nothing. */
  get holds(): boolean {
    return this.#holdsFor !== "nothing";
  }

  get unacknowledged(): number {
    return this.#acks.size;
  }

  /** The device has changed, or a credential has. */
  refresh(access: DeviceAccess): void {
    if (this.#state !== "open" || this.#admitted === undefined) return;
    this.#access = access;
    if (!stillWelcome(access, this.#admitted.credentialId, Date.now())) {
      const message = `the device is ${access.status}, or its credential was revoked or has expired`;
      this.close("not-welcome", reasons.administrativeAction, message);
      return;
    }
    this.#sendDueConfiguration();
  }

  /** Stops taking packets in; what was taken is still acknowledged. */
  stopReading(): void {
    this.#hold("the-end");
  }

  /** Ends it, with the reason where the protocol can carry one. Later acknowledgements are not sent. */
  close(reason: EndReason, code: number, message: string): void {
    if (this.#state === "closed") return;
    if (this.#state === "open" && this.#version === 5) {
      this.#send({ cmd: "disconnect", reasonCode: code, properties: { reasonString: message } });
    }
    this.#shared.logger.debug({ device: this.#access?.deviceId, reason, message }, "closed a connection");
    this.#ended(reason);
  }

  /** Sends the PUBACKs that are due, all in one write. */
  flushAcks(): void {
    if (this.#state === "closed") return;
    let plain: number[] = [];
    for (let entry = this.#acks.shiftAnswered(); entry !== undefined; entry = this.#acks.shiftAnswered()) {
      const { messageId, outcome } = entry;
      if (outcome?.kind === "failed") {
        this.#writePlain(plain);
        this.close("not-stored", reasons.serverUnavailable, outcome.error.message);
        return;
      }
      if (outcome?.kind === "refused" && this.#version === 5) {
        this.#writePlain(plain);
        plain = [];
        this.#sendRefusedPuback(messageId, outcome.refusal);
      } else {
        plain.push(messageId);
      }
    }
    this.#writePlain(plain);
    if (this.#acks.size < RECEIVE_MAXIMUM / 2) this.#resumeFrom("acknowledgements");
  }

  #process(): void {
    for (;;) {
      if (this.#state === "checking" || this.#state === "closed") return;
      if (this.#state === "open" && this.#mustHold()) return;
      const packet = this.#framer.next();
      if (packet === undefined) return;
      if (packet === "malformed") {
        this.close("protocol", reasons.malformedPacket, "the remaining length has more than four bytes");
      } else if (packet === "too-large") {
        const message = `the packet is larger than ${this.#framer.maxBytes} bytes, the most that is taken`;
        if (this.#access !== undefined) this.#shared.ingest.counters.rejected("mqtt", "PAYLOAD_TOO_LARGE");
        this.close("too-large", reasons.packetTooLarge, message);
      } else if (this.#state === "connecting") {
        this.#connect(packet);
      } else {
        this.#handle(packet);
      }
    }
  }

  #mustHold(): boolean {
    if (this.#holdsFor !== "nothing") return true;
    if (this.#shared.ingest.saturated) {
      this.#hold("room");
      this.#shared.ingest.whenRoom(() => this.#resumeFrom("room"));
      return true;
    }
    if (this.#acks.size < RECEIVE_MAXIMUM) return false;
    this.#hold("acknowledgements");
    return true;
  }

  #hold(why: "room" | "acknowledgements" | "the-end"): void {
    this.#holdsFor = why;
    this.#socket.pause();
  }

  #resumeFrom(why: "room" | "acknowledgements"): void {
    if (this.#holdsFor !== why || this.#state === "closed") return;
    this.#holdsFor = "nothing";
    this.lastHeardAt = Date.now();
    this.#socket.resume();
    this.#process();
  }

  #connect(bytes: Buffer): void {
    const decoded = decodeConnect(bytes);
    if (!decoded.ok) {
      this.close("protocol", reasons.malformedPacket, decoded.reason);
      return;
    }
    const { packet } = decoded;
    this.#version = packet.protocolVersion ?? 4;
    this.#state = "checking";
    this.#socket.pause();
    void this.#login(packet);
  }

  async #login(packet: IConnectPacket): Promise<void> {
    const outcome = this.#shared.ingest.available
      ? await admit(packet, this.#version, this.#shared.registry)
      : serverUnavailable(this.#version);
    if (this.#state !== "checking") return;
    if (!outcome.ok) {
      this.#refuseLogin(outcome, packet);
      return;
    }
    this.#admitted = outcome;
    this.#access = outcome.access;
    this.#will = outcome.will;
    this.keepAlive = packet.keepalive ?? 0;
    const { receiveMaximum, maximumPacketSize, requestProblemInformation } = packet.properties ?? {};
    this.#downlink = new Downlink(receiveMaximum ?? 65_535);
    this.#maxOutgoingBytes = maximumPacketSize ?? Number.POSITIVE_INFINITY;
    this.#wantsReasons = requestProblemInformation ?? true;
    this.#framer.maxBytes = this.#shared.maxPacketBytes;
    this.#state = "open";
    this.#shared.opened(this);
    this.#send(this.#connack(outcome));
    this.#socket.resume();
    this.#process();
  }

  #refuseLogin(refused: Refused, packet: IConnectPacket): void {
    this.#shared.ingest.counters.loginRefused("mqtt", refused.label);
    this.#shared.logger.info(
      { user: packet.username?.slice(0, 130), address: this.#socket.remoteAddress, reason: refused.label },
      "refused an MQTT log-in",
    );
    this.#send(refused.connack);
    this.#ended("login-refused");
  }

  #connack({ clientId, assigned }: Admitted): IConnackPacket {
    if (this.#version !== 5) return { cmd: "connack", sessionPresent: false, returnCode: returnCodes.accepted };
    return {
      cmd: "connack",
      // No sessions are kept: what a device still owes is state in the event store, and sent when it subscribes.
      sessionPresent: false,
      reasonCode: reasons.success,
      properties: {
        sessionExpiryInterval: 0,
        receiveMaximum: RECEIVE_MAXIMUM,
        maximumQoS: 1,
        retainAvailable: false,
        maximumPacketSize: this.#shared.maxPacketBytes,
        topicAliasMaximum: 0,
        subscriptionIdentifiersAvailable: false,
        sharedSubscriptionAvailable: false,
        ...(assigned ? { assignedClientIdentifier: clientId } : {}),
      },
    };
  }

  #handle(bytes: Buffer): void {
    const decoded = decodePacket(bytes, this.#version);
    if (!decoded.ok) {
      this.close("protocol", reasons.malformedPacket, decoded.reason);
      return;
    }
    const { packet } = decoded;
    switch (packet.cmd) {
      case "publish":
        return this.#publish(packet);
      case "puback":
        return this.#downlink.acknowledged(packet.messageId ?? 0);
      case "pingreq":
        return this.#write(PINGRESP);
      case "subscribe":
        return this.#subscribe(packet);
      case "unsubscribe":
        return this.#unsubscribe(packet);
      case "disconnect":
        if (packet.reasonCode !== reasons.disconnectWithWill) this.#will = undefined;
        return this.#ended("disconnected");
      default:
        return this.close("protocol", reasons.protocolError, `a client must not send ${packet.cmd.toUpperCase()} here`);
    }
  }

  #publish(packet: Publish): void {
    const access = this.#access;
    if (access === undefined) return;
    const { qos, topic, messageId, payload } = packet;
    if (qos === 2) {
      this.#shared.ingest.counters.rejected("mqtt", "BAD_REQUEST");
      this.close("protocol", reasons.qosNotSupported, "QoS 2 is not offered: publish with QoS 0 or 1");
    } else if (packet.topicAlias !== undefined) {
      this.close("protocol", reasons.topicAliasInvalid, "topic aliases are not offered: the announced maximum is 0");
    } else if (packet.retain && this.#version === 5) {
      this.close(
        "protocol",
        reasons.retainNotSupported,
        "retained messages are not kept: publish without the retain flag",
      );
    } else {
      const kind = classifyTopic(topic, access.tenantId, access.deviceId);
      const entry = qos === 1 ? this.#acks.push(messageId) : undefined;
      const source = { door: "mqtt", topic } as const;
      if (typeof kind === "string") {
        this.#shared.ingest.accept(kind, access, payload, source, (outcome) => this.#answered(entry, outcome));
      } else {
        this.#shared.ingest.refuse(access, kind, payload, source, (outcome) => {
          this.#answered(entry, outcome);
          // MQTT 3.1.1 has no other way to say no (section 3.3.5).
          if (this.#version !== 5) this.close("topic", errorTable[kind.code].mqtt, kind.message);
        });
      }
    }
  }

  #answered(entry: Unacknowledged | undefined, outcome: Outcome): void {
    if (this.#state === "closed") return;
    if (entry !== undefined) {
      entry.outcome = outcome;
      this.#shared.flushSoon(this);
    } else if (outcome.kind === "failed") {
      // QoS 0 has no acknowledgement to withhold; that it was lost is counted, and the device may as well know.
      this.close("not-stored", reasons.serverUnavailable, outcome.error.message);
    }
  }

  #subscribe({ messageId, subscriptions, properties }: ISubscribePacket): void {
    const access = this.#access;
    if (access === undefined) return;
    if (properties?.subscriptionIdentifier !== undefined) {
      this.close("protocol", 0xa1, "subscription identifiers are not offered");
      return;
    }
    if (subscriptions.length === 0) {
      this.close("protocol", reasons.protocolError, "SUBSCRIBE names no topic filter");
      return;
    }
    const refusals: Refusal[] = [];
    const granted = subscriptions.map(({ topic, qos }) => {
      const outcome = this.#downlink.subscribe(topic, qos, access);
      if (typeof outcome === "number") return outcome;
      refusals.push(outcome);
      this.#shared.ingest.counters.rejected("mqtt", outcome.code);
      return this.#version === 5 ? errorTable[outcome.code].mqtt : 0x80;
    });
    const [first] = refusals;
    const reason = first === undefined ? {} : this.#reason(first.message);
    this.#send({ cmd: "suback", ...(messageId === undefined ? {} : { messageId }), granted, ...reason });
    this.#sendDueConfiguration();
  }

  #unsubscribe({ messageId, unsubscriptions }: IUnsubscribePacket): void {
    const granted = unsubscriptions.map((filter) =>
      this.#downlink.unsubscribe(filter) ? reasons.success : reasons.noSubscriptionExisted,
    );
    this.#send({ cmd: "unsuback", ...(messageId === undefined ? {} : { messageId }), granted });
  }

  #sendDueConfiguration(): void {
    const access = this.#access;
    if (access === undefined || this.#state !== "open") return;
    const due = this.#downlink.dueConfiguration(access);
    if (due === undefined) return;
    const { topic, payload, qos, messageId } = due;
    const packet = { cmd: "publish", topic, payload, qos, dup: false, retain: false } as const;
    this.#send(qos === 0 ? packet : { ...packet, messageId });
  }

  #sendRefusedPuback(messageId: number, { code, message }: Refusal): void {
    this.#send({ cmd: "puback", messageId, reasonCode: errorTable[code].mqtt, ...this.#reason(message) });
  }

  #reason(reasonString: string): { readonly properties?: { readonly reasonString: string } } {
    return this.#version === 5 && this.#wantsReasons ? { properties: { reasonString } } : {};
  }

  #send(packet: Packet): void {
    const bytes = encodePacket(packet, this.#version);
    if (bytes.length <= this.#maxOutgoingBytes) {
      this.#write(bytes);
      return;
    }
    // MQTT 5: what is larger than the client takes is not sent (section 3.1.2.11.4), or sent without its reason string.
    if ("properties" in packet && packet.properties !== undefined && "reasonString" in packet.properties) {
      const { properties: _, ...short } = packet;
      this.#write(encodePacket(short, this.#version));
    } else {
      this.#shared.logger.warn(
        { device: this.#access?.deviceId, bytes: bytes.length },
        "a message is larger than the device takes",
      );
    }
  }

  #writePlain(messageIds: readonly number[]): void {
    if (messageIds.length === 0) return;
    const bytes = Buffer.allocUnsafe(messageIds.length * 4);
    for (const [index, messageId] of messageIds.entries()) writePlainPuback(bytes, index * 4, messageId);
    this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    if (!this.#socket.writable) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) {
      this.#ended("slow-reader");
      this.#socket.destroy();
    }
  }

  #ended(reason: EndReason): void {
    if (this.#state === "closed") return;
    this.endReason = reason;
    const wasOpen = this.#state === "open";
    this.#state = "closed";
    this.#shared.closed(this);
    // A proper DISCONNECT has taken the will back before it comes to this.
    if (wasOpen && reason !== "shutting-down") this.#publishWill();
    this.#socket.end();
    // Read on and forget: closing with unread bytes resets the connection, and the reason that was sent is lost.
    this.#socket.removeAllListeners("data");
    this.#socket.resume();
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }

  /** Why it ended; set before `closed` is called. */
  endReason: EndReason | undefined;

  #publishWill(): void {
    const access = this.#access;
    const will = this.#will;
    if (access === undefined || will === undefined) return;
    this.#will = undefined;
    const source = { door: "mqtt", topic: upTopic(access.tenantId, access.deviceId, will.topic) } as const;
    this.#shared.ingest.accept(will.topic, access, will.payload, source, (outcome) => {
      if (outcome.kind === "failed")
        this.#shared.logger.warn({ device: access.deviceId }, "a last will was not stored");
    });
  }
}
