/** One connection: from bytes to packets, through the log-in, held back when the storage is full, to its end. */
import type { Duplex } from "node:stream";
import type { IConnackPacket, IConnectPacket } from "mqtt-packet";
import { Backoff } from "../../platform/backoff.js";
import { isFleetlogError } from "../../platform/errors.js";
import { newId } from "../../platform/ids.js";
import type { Limiter } from "../../platform/limiter.js";
import type { Logger } from "../../platform/logger.js";
import type { DeviceAccess } from "../device-access.js";
import type { Ingest } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry.js";
import { RECEIVE_MAXIMUM } from "./answers.js";
import { presenceReason } from "./end-reason.js";
import type { EndReason } from "./end-reason.js";
import { PacketFramer } from "./framing.js";
import { admit, refuseForLimit, refuseVersion } from "./login.js";
import type { Admitted, Refused } from "./login.js";
import { Outgoing } from "./outgoing.js";
import { decodeConnect, decodePacket } from "./packets.js";
import type { Publish, Version } from "./packets.js";
import { reasons, returnCodes } from "./reasons.js";
import { Session } from "./session.js";
import { sessionKey } from "./session-record.js";
import type { OpenedSession, SessionStore } from "./session-store.js";
import { TOPIC_ALIAS_MAXIMUM } from "./topic-aliases.js";
import type { PendingWills } from "./wills.js";

export interface RefusedLogin {
  readonly user: string | undefined;
  readonly address: string | undefined;
  readonly reason: string;
}

/** What the connections of one gateway share. */
export interface Shared {
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly sessions: SessionStore;
  readonly wills: PendingWills;
  /** Log-ins that are looked up at one time: a flood of them takes not the registry from the rest. */
  readonly lookups: Limiter;
  /** The longest that a session is kept without a connection. */
  readonly maxExpirySeconds: number;
  /** The largest packet taken after log-in, bytes. */
  readonly maxPacketBytes: number;
  /** The device may speak: ends the connections that it has under the same client id. */
  readonly takeOver: (access: DeviceAccess, clientId: string, successor: { readonly clean: boolean }) => void;
  /** Called once after log-in, before CONNACK leaves. */
  readonly opened: (connection: Connection, clean: boolean) => void;
  /** A line for the log; a flood of them becomes one. */
  readonly loginRefused: (who: RefusedLogin) => void;
  /** Called once for every connection. */
  readonly closed: (connection: Connection, reason: EndReason) => void;
  /** Has `flushAcks` called before long, once for many acknowledgements. */
  readonly flushSoon: (connection: Connection) => void;
}

/** A CONNECT needs no more; a stranger may fill no more memory than this. */
const MAX_CONNECT_BYTES = 16 * 1024;
const LINGER_MS = 2_000;
/** Seconds; version 5 is told. A client that wants none, or a longer one, could be gone for hours unseen. */
const MAX_KEEP_ALIVE = 3_600;
/** The longest without another look at a limit that is reached. */
const MAX_LIMIT_HOLD_MS = 10_000;
/** That a connection may say in its turn while others wait. */
const TURN_PACKETS = 32;
const NOTHING = Buffer.alloc(0);

export class Connection {
  /** Names this connection in the reports on presence. */
  readonly id = newId();
  readonly openedAt = Date.now();
  lastHeardAt = this.openedAt;
  /** Seconds; 0 for none. */
  keepAlive = 0;
  #state: "connecting" | "checking" | "open" | "closed" = "connecting";
  #session: Session | undefined;
  /** What reading is paused for, by our own wish. */
  #holdsFor: "nothing" | "room" | "acknowledgements" | "limit" | "the-end" = "nothing";
  /** Packets that may still be taken in this turn; 0 outside of one, and after it. */
  #turn = 0;
  /** A PUBLISH that waits for its limit to let it pass. */
  #held: Publish | undefined;
  /** What its place among the connections of its device and tenant was given for. */
  #counted: DeviceAccess | undefined;
  #successor: { readonly clean: boolean } | undefined;
  #settled: Promise<void> = Promise.resolve();
  readonly #wire: Duplex;
  readonly #address: string | undefined;
  readonly #shared: Shared;
  readonly #outgoing: Outgoing;
  readonly #framer = new PacketFramer(MAX_CONNECT_BYTES);

  /** `address` is where it comes from, for the log. */
  constructor(wire: Duplex, address: string | undefined, shared: Shared) {
    this.#wire = wire;
    this.#address = address;
    this.#shared = shared;
    this.#outgoing = new Outgoing(
      wire,
      () => {
        this.#ended("slow-reader");
        wire.destroy();
      },
      (bytes) =>
        shared.logger.warn({ device: this.access?.deviceId, bytes }, "a message is larger than the device takes"),
    );
    wire.on("data", (chunk: Buffer) => {
      this.lastHeardAt = Date.now();
      this.#framer.push(chunk);
      // The answers to all packets of a chunk leave in one write.
      wire.cork();
      this.#process();
      wire.uncork();
    });
    // `close` follows, and says all that there is to say.
    wire.on("error", () => {});
    wire.on("close", () => this.#ended("connection-lost"));
  }

  /** Set once it is logged in. */
  get access(): DeviceAccess | undefined {
    return this.#session?.access;
  }

  get clientId(): string {
    return this.#session?.clientId ?? "";
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Not read from by our own wish: its silence says nothing. */
  get holds(): boolean {
    return this.#holdsFor !== "nothing";
  }

  get unacknowledged(): number {
    return this.#session?.unacknowledged ?? 0;
  }

  /** The device has changed, or a credential has. */
  refresh(access: DeviceAccess): void {
    if (this.#state === "open") this.#session?.refresh(access);
  }

  /** Another device has changed, which has this one as its gateway. */
  childChanged(child: DeviceAccess): void {
    if (this.#state === "open") this.#session?.childChanged(child);
  }

  /** Stops taking packets in; what was taken is still acknowledged. */
  stopReading(): void {
    this.#hold("the-end");
  }

  /** Another connection of the device has logged in with the same client id. */
  takenOver(successor: { readonly clean: boolean }): void {
    if (this.#state === "closed") return;
    this.#successor = successor;
    const message = "another connection has logged in with the same client id";
    this.close("taken-over", reasons.sessionTakenOver, message);
  }

  /** Resolves once what is to be kept of its session is kept. Only after its end. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** Ends it, with the reason where the protocol can carry one. Later acknowledgements are not sent. */
  close(reason: EndReason, code: number, message: string): void {
    if (this.#state === "closed") return;
    if (this.#state === "open" && this.#outgoing.version === 5) {
      this.#outgoing.send({ cmd: "disconnect", reasonCode: code, properties: { reasonString: message } });
    }
    this.#shared.logger.debug({ device: this.access?.deviceId, reason, message }, "closed a connection");
    this.#ended(reason);
  }

  flushAcks(): void {
    if (this.#state === "closed") return;
    this.#session?.flushAcks();
    if (this.unacknowledged < RECEIVE_MAXIMUM / 2) this.#resumeFrom("acknowledgements");
  }

  /** A defect of ours in a packet's handling costs the connection that it came on, and no other. */
  #process(): void {
    try {
      this.#takePackets();
    } catch (error) {
      this.#shared.logger.error({ device: this.access?.deviceId, err: error }, "a packet could not be handled");
      this.close("protocol", reasons.unspecifiedError, "the packet could not be handled; the log says why");
    }
  }

  #takePackets(): void {
    if (this.#held !== undefined && this.#holdsFor === "nothing") {
      const held = this.#held;
      this.#held = undefined;
      this.#session?.handle(held);
    }
    for (;;) {
      if (this.#state === "checking" || this.#state === "closed") return;
      if (this.#state === "open" && this.#mustHold()) return;
      const packet = this.#framer.next();
      if (packet === undefined) return;
      if (packet === "malformed") {
        this.close("protocol", reasons.malformedPacket, "the remaining length has more than four bytes");
      } else if (packet === "too-large") {
        const message = `the packet is larger than ${this.#framer.maxBytes} bytes, the most that is taken`;
        this.#keepTooLarge(message);
        this.close("too-large", reasons.packetTooLarge, message);
      } else if (this.#session === undefined) {
        this.#connect(packet);
      } else if (!this.#session.takePlain(packet)) {
        const decoded = decodePacket(packet, this.#outgoing.version);
        if (decoded.ok) this.#session.handle(decoded.packet);
        else this.close("protocol", decoded.code, decoded.reason);
      }
    }
  }

  /** What it said is not read, and gone; that it was refused is kept for whoever looks for it. */
  #keepTooLarge(message: string): void {
    const { access } = this;
    if (this.#state !== "open" || access === undefined) return;
    const source = { door: "mqtt", topic: "" } as const;
    this.#shared.ingest.refuse(access, refusal("PAYLOAD_TOO_LARGE", message), NOTHING, source, () => {});
  }

  #mustHold(): boolean {
    if (this.#holdsFor !== "nothing") return true;
    if (this.#shared.ingest.saturated || this.#isTurnOver()) {
      this.#hold("room");
      this.#shared.ingest.whenRoom(() => {
        this.#turn = TURN_PACKETS;
        this.#resumeFrom("room");
        this.#turn = 0;
      });
      return true;
    }
    // Version 5 knows the maximum, and the session ends who passes it; the others do not.
    if (this.#outgoing.version === 5 || this.unacknowledged < RECEIVE_MAXIMUM) return false;
    this.#hold("acknowledgements");
    return true;
  }

  /** Called back among others that wait, it takes so many packets; in a flood, each sender gets its turn. */
  #isTurnOver(): boolean {
    if (this.#turn === 0) return false;
    this.#turn -= 1;
    return this.#turn === 0 && this.#shared.ingest.crowded;
  }

  #hold(why: "room" | "acknowledgements" | "limit" | "the-end"): void {
    this.#holdsFor = why;
    this.#wire.pause();
  }

  /** A limit is reached: nothing is read until the message fits. What is acknowledged meanwhile still leaves. */
  #holdFor(waitMs: number, packet: Publish): void {
    if (this.#holdsFor === "the-end") return;
    this.#held = packet;
    this.#hold("limit");
    setTimeout(() => this.#resumeFrom("limit"), Math.min(waitMs, MAX_LIMIT_HOLD_MS)).unref();
  }

  #resumeFrom(why: "room" | "acknowledgements" | "limit"): void {
    if (this.#holdsFor !== why || this.#state === "closed") return;
    this.#holdsFor = "nothing";
    this.lastHeardAt = Date.now();
    this.#process();
    // What has come is taken first: it may be enough for now.
    if (!this.holds) this.#wire.resume();
  }

  #connect(bytes: Buffer): void {
    const decoded = decodeConnect(bytes);
    if (!decoded.ok) {
      this.#refuseConnect(decoded.code, decoded.reason);
      return;
    }
    this.#outgoing.version = decoded.packet.protocolVersion ?? 4;
    this.#state = "checking";
    this.#wire.pause();
    this.#login(decoded.packet).catch((error: unknown) => {
      this.#shared.logger.error({ err: error }, "a log-in could not be handled");
      this.close("protocol", reasons.unspecifiedError, "the log-in could not be handled; the log says why");
    });
  }

  /** What is said of it where its sender can be supposed to understand (section 4.13.1). */
  #refuseConnect(code: number, reason: string): void {
    if (code !== reasons.malformedPacket) {
      this.#outgoing.version = code === reasons.unsupportedProtocolVersion ? 4 : 5;
      this.#outgoing.send(refuseVersion(code, reason));
    }
    this.close("protocol", code, reason);
  }

  async #login(packet: IConnectPacket): Promise<void> {
    const outgoing = this.#outgoing;
    const outcome = await this.#untilAvailable(packet, () =>
      this.#shared.lookups.run(() => admit(packet, outgoing.version, this.#shared.registry)),
    );
    if (outcome === undefined) return;
    if (!outcome.ok) {
      this.#refuseLogin(outcome, packet);
      return;
    }
    const { access, clientId } = outcome;
    const clean = packet.clean === true;
    this.#shared.takeOver(access, clientId, { clean });
    const tooMany = this.#shared.ingest.limits.connected(access);
    if (tooMany !== undefined) {
      this.#refuseLogin(refuseForLimit(outgoing.version, tooMany), packet);
      return;
    }
    this.#counted = access;
    outgoing.agree(packet);
    const expirySeconds = expiryOf(packet, outgoing.version, this.#shared.maxExpirySeconds);
    const opened = await this.#untilAvailable(packet, () =>
      this.#shared.sessions.open({ access, clientId, owner: this.id, clean, expirySeconds }),
    );
    if (opened === undefined) return;
    this.#open(packet, outcome, opened, expirySeconds);
  }

  #open(packet: IConnectPacket, admitted: Admitted, opened: OpenedSession, expirySeconds: number): void {
    const { ingest, registry, logger, wills, maxExpirySeconds } = this.#shared;
    const outgoing = this.#outgoing;
    const session = new Session({
      ingest,
      registry,
      logger,
      outgoing,
      wills,
      maxExpirySeconds,
      admitted,
      receiveMaximum: packet.properties?.receiveMaximum ?? 65_535,
      state: opened.state,
      durable: opened.durable,
      lastHeardAt: () => this.lastHeardAt,
      close: (reason, code, message) => this.close(reason, code, message),
      disconnected: () => this.#ended("disconnected"),
      acksDue: () => this.#shared.flushSoon(this),
      holdFor: (waitMs, held) => this.#holdFor(waitMs, held),
    });
    const earlier = wills.cancel(sessionKey(admitted.access, admitted.clientId));
    const will = opened.will ?? (opened.present ? undefined : earlier);
    if (will !== undefined) session.sendWill(will);
    this.keepAlive = keepAliveOf(packet, outgoing.version);
    this.#framer.maxBytes = this.#shared.maxPacketBytes;
    this.#session = session;
    this.#state = "open";
    this.#shared.opened(this, packet.clean === true);
    outgoing.send(this.#connack(packet, admitted, opened.present, expirySeconds));
    void session.resume();
    this.#wire.resume();
    this.#process();
  }

  /**
   * While the storage or the registry is away the client is kept waiting, until the time for logging in is over and its
   * connection is cut: a CONNACK that says "unavailable" makes some clients give up for good (mqtt.js 5 among them).
   * `undefined` when the connection has ended meanwhile.
   */
  async #untilAvailable<T>(packet: IConnectPacket, attempt: () => Promise<T | "unavailable">): Promise<T | undefined> {
    const { ingest, logger } = this.#shared;
    const backoff = new Backoff({ initialMs: 200, maxMs: 2_000 });
    for (;;) {
      const outcome = ingest.available ? await orUnavailable(attempt) : "unavailable";
      if (this.#state !== "checking") return undefined;
      if (outcome !== "unavailable") return outcome;
      if (backoff.failures === 0) {
        ingest.counters.loginRefused("mqtt", "unavailable");
        logger.debug({ user: packet.username?.slice(0, 130) }, "a log-in waits for the storage or the registry");
      }
      await backoff.wait();
    }
  }

  #refuseLogin({ connack, label }: Refused, packet: IConnectPacket): void {
    this.#shared.ingest.counters.loginRefused("mqtt", label);
    this.#shared.loginRefused({
      user: packet.username?.slice(0, 130),
      address: this.#address,
      reason: label,
    });
    this.#outgoing.send(connack);
    this.#ended("login-refused");
  }

  #connack(
    packet: IConnectPacket,
    { access, clientId, assigned }: Admitted,
    isPresent: boolean,
    expirySeconds: number,
  ): IConnackPacket {
    const { version } = this.#outgoing;
    // Version 3.1 has no such flag.
    const sessionPresent = isPresent && version > 3;
    if (version !== 5) return { cmd: "connack", sessionPresent, returnCode: returnCodes.accepted };
    const { sessionExpiryInterval: asked = 0, requestResponseInformation: wantsTopic } = packet.properties ?? {};
    const responseInformation = `v1/${access.tenantId}/${access.deviceId}/responses`;
    return {
      cmd: "connack",
      sessionPresent,
      reasonCode: reasons.success,
      properties: {
        receiveMaximum: RECEIVE_MAXIMUM,
        retainAvailable: false,
        maximumPacketSize: this.#shared.maxPacketBytes,
        topicAliasMaximum: TOPIC_ALIAS_MAXIMUM,
        wildcardSubscriptionAvailable: true,
        subscriptionIdentifiersAvailable: true,
        sharedSubscriptionAvailable: false,
        ...(expirySeconds === asked ? {} : { sessionExpiryInterval: expirySeconds }),
        ...(this.keepAlive === (packet.keepalive ?? 0) ? {} : { serverKeepAlive: this.keepAlive }),
        ...(wantsTopic === true ? { responseInformation } : {}),
        ...(assigned ? { assignedClientIdentifier: clientId } : {}),
      },
    };
  }

  #ended(reason: EndReason): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#shared.closed(this, reason);
    if (this.#counted !== undefined) this.#shared.ingest.limits.disconnected(this.#counted);
    const successor = this.#successor;
    this.#settled =
      this.#session?.end({
        // Who may no longer speak has no last word either.
        withWill: reason !== "shutting-down" && reason !== "not-welcome",
        presence: reason === "shutting-down" ? undefined : presenceReason(reason),
        ...(successor === undefined ? {} : { successor }),
      }) ?? Promise.resolve();
    this.#wire.end();
    // Read on and forget: closing with unread bytes resets the connection, and the reason that was sent is lost.
    this.#wire.removeAllListeners("data");
    this.#wire.resume();
    setTimeout(() => this.#wire.destroy(), LINGER_MS).unref();
  }
}

/** Seconds that the session outlives its connection. Version 3.1.1 asks for a clean session, or one that never ends. */
function expiryOf({ clean, properties }: IConnectPacket, version: Version, max: number): number {
  const asked = version === 5 ? (properties?.sessionExpiryInterval ?? 0) : clean === true ? 0 : max;
  return Math.min(asked, max);
}

function keepAliveOf({ keepalive = 0 }: IConnectPacket, version: Version): number {
  if (version !== 5) return keepalive;
  return keepalive === 0 ? MAX_KEEP_ALIVE : Math.min(keepalive, MAX_KEEP_ALIVE);
}

async function orUnavailable<T>(attempt: () => Promise<T>): Promise<T | "unavailable"> {
  try {
    return await attempt();
  } catch (error) {
    if (isFleetlogError(error)) return "unavailable";
    throw error;
  }
}
