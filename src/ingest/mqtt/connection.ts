/** One connection: from bytes to packets, through the log-in, held back when the storage is full, to its end. */
import type { Socket } from "node:net";
import type { IConnackPacket, IConnectPacket } from "mqtt-packet";
import { Backoff } from "../../platform/backoff.js";
import { newId } from "../../platform/ids.js";
import type { Logger } from "../../platform/logger.js";
import type { DeviceAccess } from "../device-access.js";
import type { Ingest } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry.js";
import { presenceReason } from "./end-reason.js";
import type { EndReason } from "./end-reason.js";
import { PacketFramer } from "./framing.js";
import { admit } from "./login.js";
import type { Admitted, Refused } from "./login.js";
import { Outgoing } from "./outgoing.js";
import { decodeConnect, decodePacket } from "./packets.js";
import { reasons, returnCodes } from "./reasons.js";
import { Session } from "./session.js";

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
  /** The largest packet taken after log-in, bytes. */
  readonly maxPacketBytes: number;
  /** Called once after log-in, before CONNACK leaves. */
  readonly opened: (connection: Connection) => void;
  /** A line for the log; a flood of them becomes one. */
  readonly loginRefused: (who: RefusedLogin) => void;
  /** Called once for every connection. */
  readonly closed: (connection: Connection, reason: EndReason) => void;
  /** Has `flushAcks` called before long, once for many acknowledgements. */
  readonly flushSoon: (connection: Connection) => void;
}

/** A CONNECT needs no more; a stranger may fill no more memory than this. */
const MAX_CONNECT_BYTES = 16 * 1024;
/** PUBLISHes of one connection that wait for their acknowledgement; then reading pauses. Announced to MQTT 5 clients. */
const RECEIVE_MAXIMUM = 1_024;
const LINGER_MS = 2_000;
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
  #holdsFor: "nothing" | "room" | "acknowledgements" | "the-end" = "nothing";
  readonly #socket: Socket;
  readonly #shared: Shared;
  readonly #outgoing: Outgoing;
  readonly #framer = new PacketFramer(MAX_CONNECT_BYTES);

  constructor(socket: Socket, shared: Shared) {
    this.#socket = socket;
    this.#shared = shared;
    this.#outgoing = new Outgoing(
      socket,
      () => {
        this.#ended("slow-reader");
        socket.destroy();
      },
      (bytes) =>
        shared.logger.warn({ device: this.access?.deviceId, bytes }, "a message is larger than the device takes"),
    );
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
      } else {
        const decoded = decodePacket(packet, this.#outgoing.version);
        if (decoded.ok) this.#session.handle(decoded.packet);
        else this.close("protocol", reasons.malformedPacket, decoded.reason);
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
    if (this.#shared.ingest.saturated) {
      this.#hold("room");
      this.#shared.ingest.whenRoom(() => this.#resumeFrom("room"));
      return true;
    }
    if (this.unacknowledged < RECEIVE_MAXIMUM) return false;
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
    this.#outgoing.version = decoded.packet.protocolVersion ?? 4;
    this.#state = "checking";
    this.#socket.pause();
    void this.#login(decoded.packet);
  }

  /** Never rejects. */
  async #login(packet: IConnectPacket): Promise<void> {
    const { ingest, logger } = this.#shared;
    const outgoing = this.#outgoing;
    const outcome = await this.#admit(packet);
    if (outcome === undefined) return;
    if (!outcome.ok) {
      this.#refuseLogin(outcome, packet);
      return;
    }
    outgoing.agree(packet);
    this.keepAlive = packet.keepalive ?? 0;
    this.#framer.maxBytes = this.#shared.maxPacketBytes;
    this.#session = new Session({
      ingest,
      registry: this.#shared.registry,
      logger,
      outgoing,
      lastHeardAt: () => this.lastHeardAt,
      admitted: outcome,
      receiveMaximum: packet.properties?.receiveMaximum ?? 65_535,
      close: (reason, code, message) => this.close(reason, code, message),
      disconnected: () => this.#ended("disconnected"),
      acksDue: () => this.#shared.flushSoon(this),
    });
    this.#state = "open";
    this.#shared.opened(this);
    outgoing.send(this.#connack(outcome));
    this.#socket.resume();
    this.#process();
  }

  /**
   * While the storage or the registry is away the client is kept waiting, until the time for logging in is over and its
   * connection is cut: a CONNACK that says "unavailable" makes some clients give up for good (mqtt.js 5 among them).
   * `undefined` when the connection has ended meanwhile.
   */
  async #admit(packet: IConnectPacket): Promise<Admitted | Refused | undefined> {
    const { ingest, registry, logger } = this.#shared;
    const backoff = new Backoff({ initialMs: 200, maxMs: 2_000 });
    for (;;) {
      const outcome = ingest.available ? await admit(packet, this.#outgoing.version, registry) : "unavailable";
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
      address: this.#socket.remoteAddress,
      reason: label,
    });
    this.#outgoing.send(connack);
    this.#ended("login-refused");
  }

  #connack({ clientId, assigned }: Admitted): IConnackPacket {
    // No sessions are kept: what a device still owes is state in the event store, and sent when it subscribes.
    const sessionPresent = false;
    if (this.#outgoing.version !== 5) return { cmd: "connack", sessionPresent, returnCode: returnCodes.accepted };
    return {
      cmd: "connack",
      sessionPresent,
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

  #ended(reason: EndReason): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#shared.closed(this, reason);
    // Who may no longer speak has no last word either.
    const ends = reason === "shutting-down" ? undefined : presenceReason(reason);
    this.#session?.end(reason !== "shutting-down" && reason !== "not-welcome", ends);
    this.#socket.end();
    // Read on and forget: closing with unread bytes resets the connection, and the reason that was sent is lost.
    this.#socket.removeAllListeners("data");
    this.#socket.resume();
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }
}
