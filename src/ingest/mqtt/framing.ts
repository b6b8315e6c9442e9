/**
 * Cuts the byte stream of a connection into whole MQTT packets before anything looks inside, so that memory is bounded
 * by the largest packet that is taken, whatever is sent, and the parser never waits in the middle of something.
 */

/** `too-large`: the announced length passes the bound. `malformed`: the length field has a fifth byte. */
export type FramingError = "too-large" | "malformed";

const INITIAL_BYTES = 1_024;

export class PacketFramer {
  /** The bound for a whole packet, header included. Small before log-in, so that strangers cannot fill memory. */
  maxBytes: number;
  #chunk: Buffer | undefined;
  #at = 0;
  /** A packet that did not come in one piece; grows as it comes, never on the mere word of its header. */
  #partial: Buffer | undefined;
  #partialLength = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** The chunk is used until `next` has given `undefined`; it must not be changed meanwhile. */
  push(chunk: Buffer): void {
    if (this.#chunk !== undefined) {
      this.#chunk = Buffer.concat([this.#chunk.subarray(this.#at), chunk]);
      this.#at = 0;
      return;
    }
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next whole packet, or `undefined` until more is pushed. */
  next(): Buffer | FramingError | undefined {
    const chunk = this.#chunk;
    if (chunk === undefined) return undefined;
    if (this.#partial !== undefined) return this.#continue(chunk, this.#partial);
    const size = packetSize(chunk, this.#at, chunk.length);
    if (size === "malformed") return size;
    if (size !== undefined && size > this.maxBytes) return "too-large";
    if (size !== undefined && this.#at + size <= chunk.length) {
      const packet = chunk.subarray(this.#at, this.#at + size);
      this.#advance(chunk, size);
      return packet;
    }
    const rest = chunk.length - this.#at;
    if (rest > 0) {
      // Copied, because a small rest would keep the whole chunk alive.
      this.#partial = Buffer.allocUnsafe(Math.max(INITIAL_BYTES, rest));
      chunk.copy(this.#partial, 0, this.#at);
      this.#partialLength = rest;
    }
    this.#chunk = undefined;
    return undefined;
  }

  #continue(chunk: Buffer, partial: Buffer): Buffer | FramingError | undefined {
    let buffer = partial;
    for (;;) {
      const size = packetSize(buffer, 0, this.#partialLength);
      if (size === "malformed") return size;
      if (size !== undefined && size > this.maxBytes) return "too-large";
      // Without the whole header: byte by byte, at most four times.
      const wanted = size === undefined ? 1 : size - this.#partialLength;
      if (wanted <= 0) {
        const packet = buffer.subarray(0, this.#partialLength);
        this.#partial = undefined;
        return packet;
      }
      const taken = Math.min(wanted, chunk.length - this.#at);
      if (taken === 0) {
        this.#chunk = undefined;
        return undefined;
      }
      if (this.#partialLength + taken > buffer.length) {
        const grown = Buffer.allocUnsafe(
          Math.min(Math.max(buffer.length * 2, this.#partialLength + taken), this.maxBytes),
        );
        buffer.copy(grown, 0, 0, this.#partialLength);
        buffer = grown;
        this.#partial = grown;
      }
      chunk.copy(buffer, this.#partialLength, this.#at, this.#at + taken);
      this.#partialLength += taken;
      this.#at += taken;
    }
  }

  #advance(chunk: Buffer, size: number): void {
    this.#at += size;
    if (this.#at === chunk.length) this.#chunk = undefined;
  }
}

/** The whole packet's length from its fixed header (MQTT 5, section 2.1.4); `undefined` while the header is incomplete. */
function packetSize(bytes: Buffer, from: number, end: number): number | "malformed" | undefined {
  let length = 0;
  let factor = 1;
  for (let index = 1; index <= 4; index += 1) {
    if (from + index >= end) return undefined;
    const byte = bytes[from + index] ?? 0;
    length += (byte & 0x7f) * factor;
    if (byte < 0x80) return 1 + index + length;
    factor *= 128;
  }
  return "malformed";
}
