/**
 * CoAP's message format (RFC 7252, section 3). Our own and not coap-packet's: that one reads an option that is cut off as
 * a shorter one, and a marker without a payload as none, where the section wants the message rejected.
 */

export const CON = 0;
export const NON = 1;
export const ACK = 2;
export const RST = 3;
export type MessageType = typeof CON | typeof NON | typeof ACK | typeof RST;

export interface Option {
  readonly number: number;
  readonly value: Buffer;
}

export interface Message {
  readonly type: MessageType;
  /** Class in the upper three bits, detail in the lower five; 0 is the empty message. */
  readonly code: number;
  readonly id: number;
  readonly token: Buffer;
  readonly options: readonly Option[];
  readonly payload: Buffer;
}

/** What breaks the format: a confirmable one is answered with a reset, anything else with silence. */
export interface Malformed {
  readonly malformed: true;
  /** Of a confirmable message; undefined where nobody is to be told. */
  readonly resetId?: number;
}

export const EMPTY = 0;
const NOTHING = Buffer.alloc(0);
const SILENCE: Malformed = { malformed: true };
const MAX_OPTIONS = 64;
const MARKER = 0xff;

/** `"4.04"` as the byte of the header. */
export function codeOf(text: string): number {
  const [major = 0, detail = 0] = text.split(".").map(Number);
  return (major << 5) | detail;
}

/** Never throws. */
export function decode(datagram: Buffer): Message | Malformed {
  const [first = 0, code = 0] = datagram;
  if (datagram.length < 4 || first >> 6 !== 1) return SILENCE;
  const type = ((first >> 4) & 3) as MessageType;
  const id = datagram.readUInt16BE(2);
  const wrong: Malformed = type === CON ? { malformed: true, resetId: id } : SILENCE;
  const tokenLength = first & 15;
  const area = code >> 5;
  if (tokenLength > 8 || area === 1 || area > 5) return wrong;
  if (code === EMPTY) {
    return datagram.length === 4 ? { type, code, id, token: NOTHING, options: [], payload: NOTHING } : wrong;
  }
  if (datagram.length < 4 + tokenLength) return wrong;
  const read = readOptions(datagram, 4 + tokenLength);
  if (read === undefined) return wrong;
  return {
    type,
    code,
    id,
    token: datagram.subarray(4, 4 + tokenLength),
    options: read.options,
    payload: datagram.subarray(read.end),
  };
}

function readOptions(
  bytes: Buffer,
  start: number,
): { readonly options: readonly Option[]; readonly end: number } | undefined {
  const options: Option[] = [];
  let number = 0;
  let at = start;
  while (at < bytes.length) {
    const head = bytes[at] ?? 0;
    at += 1;
    if (head === MARKER) return at < bytes.length ? { options, end: at } : undefined;
    const delta = extended(bytes, at, head >> 4);
    if (delta === undefined) return undefined;
    const length = extended(bytes, delta.end, head & 15);
    if (length === undefined || length.end + length.value > bytes.length) return undefined;
    number += delta.value;
    at = length.end + length.value;
    if (number > 0xffff || options.length >= MAX_OPTIONS) return undefined;
    options.push({ number, value: bytes.subarray(length.end, at) });
  }
  return { options, end: bytes.length };
}

function extended(
  bytes: Buffer,
  at: number,
  nibble: number,
): { readonly value: number; readonly end: number } | undefined {
  if (nibble < 13) return { value: nibble, end: at };
  if (nibble === 13) return at < bytes.length ? { value: (bytes[at] ?? 0) + 13, end: at + 1 } : undefined;
  if (nibble === 14 && at + 1 < bytes.length) return { value: bytes.readUInt16BE(at) + 269, end: at + 2 };
  return undefined;
}

export function encode({ type, code, id, token, options, payload }: Message): Buffer {
  const parts: Buffer[] = [Buffer.from([0x40 | (type << 4) | token.length, code, id >> 8, id & 0xff]), token];
  let last = 0;
  for (const { number, value } of options.toSorted((a, b) => a.number - b.number)) {
    parts.push(optionHead(number - last, value.length), value);
    last = number;
  }
  if (payload.length > 0) parts.push(Buffer.from([MARKER]), payload);
  return Buffer.concat(parts);
}

function optionHead(delta: number, length: number): Buffer {
  const [deltaNibble, deltaMore] = shortened(delta);
  const [lengthNibble, lengthMore] = shortened(length);
  return Buffer.from([(deltaNibble << 4) | lengthNibble, ...deltaMore, ...lengthMore]);
}

function shortened(value: number): readonly [nibble: number, more: readonly number[]] {
  if (value < 13) return [value, []];
  if (value < 269) return [13, [value - 13]];
  return [14, [(value - 269) >> 8, (value - 269) & 0xff]];
}

/** An empty message: an acknowledgement or a reset. */
export function empty(type: typeof ACK | typeof RST, id: number): Buffer {
  return Buffer.from([0x40 | (type << 4), EMPTY, id >> 8, id & 0xff]);
}
