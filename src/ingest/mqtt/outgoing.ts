/** What is written to one client, in its protocol version and within what it can take. */
import type { Duplex } from "node:stream";
import type { IConnectPacket, Packet } from "mqtt-packet";
import { encodePacket, writePlainPuback } from "./packets.js";
import type { Version } from "./packets.js";

/** What may wait to be written to a device that does not read. */
const MAX_UNREAD_BYTES = 1024 ** 2;

export class Outgoing {
  version: Version = 4;
  #wantsReasons = true;
  #maxBytes = Number.POSITIVE_INFINITY;
  readonly #wire: Duplex;
  readonly #onSlowReader: () => void;
  readonly #onTooLarge: (bytes: number) => void;

  constructor(wire: Duplex, onSlowReader: () => void, onTooLarge: (bytes: number) => void) {
    this.#wire = wire;
    this.#onSlowReader = onSlowReader;
    this.#onTooLarge = onTooLarge;
  }

  /** Takes over what the client said of itself in CONNECT. */
  agree({ properties }: IConnectPacket): void {
    this.#maxBytes = properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY;
    this.#wantsReasons = properties?.requestProblemInformation ?? true;
  }

  /** The reason as packet properties, where the version has them and the client wants them. */
  reason(reasonString: string | undefined): { readonly properties?: { readonly reasonString: string } } {
    if (reasonString === undefined || this.version !== 5 || !this.#wantsReasons) return {};
    return { properties: { reasonString } };
  }

  /** False when the packet is larger than the client takes, and was not sent. */
  send(packet: Packet): boolean {
    const bytes = encodePacket(packet, this.version);
    if (bytes.length <= this.#maxBytes) {
      this.write(bytes);
      return true;
    }
    // MQTT 5: what is larger than the client takes goes without its reason string (section 3.2.2.3.9), or not at all.
    if ("properties" in packet && packet.properties !== undefined && "reasonString" in packet.properties) {
      const { properties: _, ...short } = packet;
      this.write(encodePacket(short, this.version));
      return true;
    }
    this.#onTooLarge(bytes.length);
    return false;
  }

  /** PUBACKs without reasons, in one write. */
  sendPubacks(messageIds: readonly number[]): void {
    if (messageIds.length === 0) return;
    const bytes = Buffer.allocUnsafe(messageIds.length * 4);
    for (const [index, messageId] of messageIds.entries()) writePlainPuback(bytes, index * 4, messageId);
    this.write(bytes);
  }

  write(bytes: Buffer): void {
    if (!this.#wire.writable) return;
    this.#wire.write(bytes);
    if (this.#wire.writableLength > MAX_UNREAD_BYTES) this.#onSlowReader();
  }
}
