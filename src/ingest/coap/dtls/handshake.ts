/** The handshake's messages (RFC 5246, section 7.4; RFC 6347, section 4.2): how they are cut, read and written. */

export const handshakeTypes = {
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  serverHelloDone: 14,
  clientKeyExchange: 16,
  finished: 20,
} as const;

const HEAD_BYTES = 12;
/** What clients send us are some hundred bytes. */
const MAX_MESSAGE_BYTES = 8 * 1024;

export interface Fragment {
  readonly type: number;
  /** Of the whole message. */
  readonly length: number;
  readonly messageSequence: number;
  readonly offset: number;
  readonly body: Buffer;
}

/** The fragments in a record; undefined where it breaks the form. */
export function fragmentsOf(bytes: Buffer): readonly Fragment[] | undefined {
  const found: Fragment[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + HEAD_BYTES > bytes.length) return undefined;
    const length = bytes.readUIntBE(at + 1, 3);
    const offset = bytes.readUIntBE(at + 6, 3);
    const size = bytes.readUIntBE(at + 9, 3);
    const end = at + HEAD_BYTES + size;
    if (end > bytes.length || offset + size > length || length > MAX_MESSAGE_BYTES) return undefined;
    const messageSequence = bytes.readUInt16BE(at + 4);
    found.push({
      type: bytes.readUInt8(at),
      length,
      messageSequence,
      offset,
      body: bytes.subarray(at + HEAD_BYTES, end),
    });
    at = end;
  }
  return found;
}

/** A message with its head as if it had never been cut: what goes into the hash of the handshake. */
export function messageBytes(type: number, messageSequence: number, body: Buffer): Buffer {
  return Buffer.concat([headBytes(type, body.length, messageSequence, 0, body.length), body]);
}

/** The same, cut to what fits into a datagram. */
export function cut(type: number, messageSequence: number, body: Buffer, maxBytes = 1_000): readonly Buffer[] {
  const pieces: Buffer[] = [];
  let offset = 0;
  do {
    const piece = body.subarray(offset, offset + maxBytes);
    pieces.push(Buffer.concat([headBytes(type, body.length, messageSequence, offset, piece.length), piece]));
    offset += piece.length;
  } while (offset < body.length);
  return pieces;
}

function headBytes(type: number, length: number, messageSequence: number, offset: number, size: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(type, 0);
  head.writeUIntBE(length, 1, 3);
  head.writeUInt16BE(messageSequence, 4);
  head.writeUIntBE(offset, 6, 3);
  head.writeUIntBE(size, 9, 3);
  return head;
}

/** Puts one message together from its fragments, in whatever order they come. */
export class Reassembly {
  readonly #body: Buffer;
  readonly #have: Uint8Array;
  #missing: number;
  readonly type: number;

  constructor({ type, length }: Fragment) {
    this.type = type;
    this.#body = Buffer.alloc(length);
    this.#have = new Uint8Array(length);
    this.#missing = length;
  }

  /** The body, once it is whole. A fragment that contradicts the first one is passed over. */
  add({ type, length, offset, body }: Fragment): Buffer | undefined {
    if (type !== this.type || length !== this.#body.length) return undefined;
    for (const [index, byte] of body.entries()) {
      const at = offset + index;
      if (this.#have[at] === 1) continue;
      this.#have[at] = 1;
      this.#body[at] = byte;
      this.#missing -= 1;
    }
    return this.#missing === 0 ? this.#body : undefined;
  }
}

export interface ClientHello {
  readonly version: number;
  readonly random: Buffer;
  readonly sessionId: Buffer;
  readonly cookie: Buffer;
  readonly suites: readonly number[];
  /** All but the cookie: what a cookie is bound to. */
  readonly withoutCookie: Buffer;
  readonly extensions: ReadonlyMap<number, Buffer>;
}

/** Undefined where it breaks the form. */
export function readClientHello(body: Buffer): ClientHello | undefined {
  const reader = new Reader(body);
  const version = reader.uint(2);
  const random = reader.bytes(32);
  const sessionId = reader.vector(1);
  const cookieFrom = reader.at;
  const cookie = reader.vector(1);
  const cookieTo = reader.at;
  const suiteBytes = reader.vector(2);
  reader.vector(1);
  const extensionBytes = reader.at < body.length ? reader.vector(2) : Buffer.alloc(0);
  if (reader.failed || reader.at !== body.length || suiteBytes.length % 2 === 1) return undefined;
  const extensions = new Map<number, Buffer>();
  const inner = new Reader(extensionBytes);
  while (inner.at < extensionBytes.length && !inner.failed) extensions.set(inner.uint(2), inner.vector(2));
  if (inner.failed) return undefined;
  const suites = uint16s(suiteBytes);
  const withoutCookie = Buffer.concat([body.subarray(0, cookieFrom), body.subarray(cookieTo)]);
  return { version, random, sessionId, cookie, suites, withoutCookie, extensions };
}

export function uint16s(bytes: Buffer): readonly number[] {
  return Array.from({ length: bytes.length >> 1 }, (_, index) => bytes.readUInt16BE(index * 2));
}

/** A vector with its length before it. */
export function vector(lengthBytes: 1 | 2 | 3, body: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(body.length, 0, lengthBytes);
  return Buffer.concat([length, body]);
}

export function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

/** Reads on after a failure, into nothing: one look at `failed` in the end is enough. */
class Reader {
  at = 0;
  failed = false;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  bytes(length: number): Buffer {
    const end = this.at + length;
    if (this.failed || end > this.#bytes.length) {
      this.failed = true;
      return Buffer.alloc(0);
    }
    const found = this.#bytes.subarray(this.at, end);
    this.at = end;
    return found;
  }

  uint(length: 1 | 2): number {
    const found = this.bytes(length);
    return found.length === 0 ? 0 : found.readUIntBE(0, length);
  }

  vector(lengthBytes: 1 | 2): Buffer {
    return this.bytes(this.uint(lengthBytes));
  }
}
