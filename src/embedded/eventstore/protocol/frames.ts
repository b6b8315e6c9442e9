/**
 * Many messages in one write. gRPC on Node.js writes each message to the socket by itself and waits for it, which costs more
 * than everything else in a read of small events. What it asks of a serialized message is only a length and to copy
 * itself behind the 5-byte frame header: a `Frames` copies whole frames, headers included, over that header.
 * This leans on how @grpc/grpc-js (pinned) builds a frame; test/embedded/eventstore/frames.test.ts holds it to that.
 */

/** 1 byte "not compressed", 4 bytes length, big endian. */
const FRAME_HEADER = 5;

/** A run of complete gRPC frames. */
export class Frames {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** What @grpc/grpc-js reads first, to make room for this and one header. */
  get byteLength(): number {
    return this.#bytes.length - FRAME_HEADER;
  }

  /** Called with the place behind the header; ours begins with the first frame's own header, hence at 0. */
  copy(target: Buffer, _at: number): number {
    return this.#bytes.copy(target, 0);
  }
}

/** Writes a frame's header at `at`, for a message of `length` bytes that follows it. Returns where the message goes. */
export function writeFrameHeader(bytes: Buffer, at: number, length: number): number {
  bytes[at] = 0;
  bytes.writeUInt32BE(length, at + 1);
  return at + FRAME_HEADER;
}

/** One frame around a message that is encoded already. */
export function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER + message.length);
  bytes.set(message, writeFrameHeader(bytes, 0, message.length));
  return bytes;
}
