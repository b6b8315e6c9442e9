/**
 * Lets mqtt.js go on to the next message while the last one is still being stored. mqtt.js handles one packet at a time,
 * and sends the PUBACK when a message's handler is done: a handler that waits for the storage would take one message a
 * round trip. So handlers are done at once, and this stream, between mqtt.js and the socket, holds each PUBACK until the
 * message is stored, and those behind it, too: they leave in the order in which the messages came (MQTT 5, section 4.6).
 */
import { Duplex } from "node:stream";
import { generate, parser as createParser } from "mqtt-packet";
import type { Packet } from "mqtt-packet";

interface Held {
  readonly messageId: number;
  isStored: boolean;
  /** mqtt.js has written it. */
  isSent: boolean;
}

export class AckGate extends Duplex {
  readonly #socket: Duplex;
  readonly #parser: ReturnType<typeof createParser>;
  readonly #protocolVersion: 4 | 5;
  /** In the order of their messages, by packet identifier: the broker does not use one again before it is acknowledged. */
  readonly #held = new Map<number, Held>();

  constructor(socket: Duplex, protocolVersion: 4 | 5) {
    super();
    this.#socket = socket;
    this.#protocolVersion = protocolVersion;
    this.#parser = createParser({ protocolVersion });
    this.#parser.on("packet", (packet) => this.#outgoing(packet));
    this.#parser.on("error", (error: Error) => this.destroy(error));
    socket.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  /** A message has come: its PUBACK is held until it is stored. */
  hold(messageId: number): void {
    this.#held.set(messageId, { messageId, isStored: false, isSent: false });
  }

  /** Without effect once the stream is over. */
  stored(messageId: number): void {
    const held = this.#held.get(messageId);
    if (held === undefined) return;
    held.isStored = true;
    this.#release();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#parser.parse(chunk);
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#held.clear();
    this.#socket.destroy();
    done(error);
  }

  #outgoing(packet: Packet): void {
    if (packet.cmd !== "puback") {
      this.#socket.write(generate(packet, { protocolVersion: this.#protocolVersion }));
      return;
    }
    // One that is not known here belongs to an earlier connection, and would acknowledge what comes again.
    const held = this.#held.get(packet.messageId ?? 0);
    if (held === undefined) return;
    held.isSent = true;
    this.#release();
  }

  #release(): void {
    for (const held of this.#held.values()) {
      if (!held.isStored || !held.isSent) return;
      this.#held.delete(held.messageId);
      const { messageId } = held;
      this.#socket.write(generate({ cmd: "puback", messageId }, { protocolVersion: this.#protocolVersion }));
    }
  }
}
