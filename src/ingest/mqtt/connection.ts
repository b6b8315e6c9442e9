/** One connection: from bytes to packets, through the log-in, to its end. */
import type { Duplex } from "node:stream";
import type { IConnectPacket } from "mqtt-packet";
import { newId } from "../../platform/ids.js";
import type { DeviceAccess } from "../registry/device-access.js";
import { refusal } from "../pipeline/refusal.js";
import { connackOf, keepAliveOf } from "./connack.js";
import { presenceReason } from "./end-reason.js";
import type { EndReason } from "./end-reason.js";
import { enter } from "./entrance.js";
import type { Entered, EntranceDeps } from "./entrance.js";
import { PacketFramer } from "./framing.js";
import { Holding } from "./holding.js";
import type { Held } from "./holding.js";
import { refuseVersion } from "./login.js";
import type { Refused } from "./login.js";
import { Outgoing } from "./outgoing.js";
import { decodeConnect, decodePacket } from "./packets.js";
import { reasons } from "./reasons.js";
import { Session } from "./session.js";
import { sessionKey } from "./session-record.js";
import type { PendingWills } from "./wills.js";

export interface RefusedLogin {
  readonly user: string | undefined;
  readonly address: string | undefined;
  readonly reason: string;
}

/** What the connections of one gateway share. */
export interface Shared extends EntranceDeps {
  readonly wills: PendingWills;
  /** The largest packet taken after log-in, bytes. */
  readonly maxPacketBytes: number;
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
const NOTHING = Buffer.alloc(0);

export class Connection implements Held {
  /** Names this connection in the reports on presence. */
  readonly id = newId();
  readonly openedAt = Date.now();
  lastHeardAt = this.openedAt;
  /** Seconds; 0 for none. */
  keepAlive = 0;
  #state: "connecting" | "checking" | "open" | "closed" = "connecting";
  #session: Session | undefined;
  /** What its place among the connections of its device and tenant was given for. */
  #counted: DeviceAccess | undefined;
  #successor: { readonly clean: boolean } | undefined;
  #settled: Promise<void> = Promise.resolve();
  readonly #wire: Duplex;
  readonly #address: string | undefined;
  readonly #shared: Shared;
  readonly #outgoing: Outgoing;
  readonly #holding: Holding;
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
    this.#holding = new Holding(wire, shared.ingest, this.#outgoing, this);
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

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Not read from by our own wish: its silence says nothing. */
  get holds(): boolean {
    return this.#holding.holds;
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
    this.#holding.hold("the-end");
  }

  /** Takes what has come, after it was held back. */
  goOn(): void {
    this.lastHeardAt = Date.now();
    this.#process();
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
    this.#holding.acknowledged();
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
    const held = this.#holding.takeHeld();
    if (held !== undefined) this.#session?.handle(held);
    for (;;) {
      if (this.#state === "checking" || this.#state === "closed") return;
      if (this.#state === "open" && this.#holding.mustHold()) return;
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
    const counted = (access: DeviceAccess): void => {
      this.#counted = access;
    };
    const isWaiting = (): boolean => this.#state === "checking";
    const entrant = { id: this.id, outgoing: this.#outgoing, isWaiting, counted };
    const outcome = await enter(packet, entrant, this.#shared);
    if (outcome === undefined || !isWaiting()) return;
    if (outcome.ok) this.#open(packet, outcome);
    else this.#refuseLogin(outcome, packet);
  }

  #open(packet: IConnectPacket, { admitted, opened, expirySeconds }: Entered): void {
    const { ingest, registry, logger, wills, maxExpirySeconds, maxPacketBytes } = this.#shared;
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
      holdFor: (waitMs, held) => this.#holding.holdFor(waitMs, held),
    });
    const earlier = wills.cancel(sessionKey(admitted.access, admitted.clientId));
    const will = opened.will ?? (opened.present ? undefined : earlier);
    if (will !== undefined) session.sendWill(will);
    this.keepAlive = keepAliveOf(packet, outgoing.version);
    this.#framer.maxBytes = maxPacketBytes;
    this.#session = session;
    this.#state = "open";
    this.#shared.opened(this, packet.clean === true);
    const { version } = outgoing;
    const terms = { version, isPresent: opened.present, expirySeconds, keepAlive: this.keepAlive, maxPacketBytes };
    outgoing.send(connackOf(packet, admitted, terms));
    void session.resume();
    this.#wire.resume();
    this.#process();
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
