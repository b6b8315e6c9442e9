/**
 * BSON read in place. Documents stay the bytes that the client sent, so that every type comes back exactly as it went in
 * and a query decodes only the fields that it looks at. "Typed" values are what `bson` gives without promotion:
 * Int32, Double, Long, Decimal128 … as their classes, strings, booleans, null and dates as JavaScript's own.
 */
import { deserialize, serialize } from "bson";
import type { DeserializeOptions, Document } from "bson";
import { CommandError } from "./errors.js";

export type { Document };

export const bsonType = {
  double: 0x01,
  string: 0x02,
  object: 0x03,
  array: 0x04,
  binary: 0x05,
  undefined: 0x06,
  objectId: 0x07,
  boolean: 0x08,
  date: 0x09,
  null: 0x0a,
  regex: 0x0b,
  dbPointer: 0x0c,
  code: 0x0d,
  symbol: 0x0e,
  codeWithScope: 0x0f,
  int32: 0x10,
  timestamp: 0x11,
  int64: 0x12,
  decimal128: 0x13,
  minKey: 0xff,
  maxKey: 0x7f,
} as const;

/** One value where it lies: `bytes[start, end)`, without its type byte and name. */
export interface RawValue {
  readonly type: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

const typedOptions: DeserializeOptions = {
  promoteValues: false,
  promoteLongs: false,
  promoteBuffers: false,
  bsonRegExp: true,
};

/** The largest document that a server takes, bytes. */
export const maxDocumentBytes = 16 * 1024 * 1024;

export function decodeDocument(bytes: Uint8Array): Document {
  return deserialize(bytes, typedOptions);
}

/** As JavaScript sees it: numbers are numbers, so int, long and double are no longer told apart. What mingo computes on. */
export function decodePromoted(bytes: Uint8Array): Document {
  return deserialize(bytes);
}

export function encodeDocument(document: Document): Buffer {
  const bytes = serialize(document, { ignoreUndefined: false });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function cstringEnd(bytes: Buffer, start: number): number {
  const end = bytes.indexOf(0, start);
  if (end === -1) throw new CommandError(2, "the document is not valid BSON: a name has no end");
  return end + 1;
}

/** Where the value of this type that begins at `start` ends. */
export function valueEnd(bytes: Buffer, type: number, start: number): number {
  switch (type) {
    case bsonType.double:
    case bsonType.date:
    case bsonType.timestamp:
    case bsonType.int64:
      return start + 8;
    case bsonType.int32:
      return start + 4;
    case bsonType.objectId:
      return start + 12;
    case bsonType.boolean:
      return start + 1;
    case bsonType.null:
    case bsonType.undefined:
    case bsonType.minKey:
    case bsonType.maxKey:
      return start;
    case bsonType.string:
    case bsonType.code:
    case bsonType.symbol:
      return start + 4 + bytes.readInt32LE(start);
    case bsonType.object:
    case bsonType.array:
    case bsonType.codeWithScope:
      return start + bytes.readInt32LE(start);
    case bsonType.binary:
      return start + 5 + bytes.readInt32LE(start);
    case bsonType.decimal128:
      return start + 16;
    case bsonType.regex:
      return cstringEnd(bytes, cstringEnd(bytes, start));
    case bsonType.dbPointer:
      return start + 4 + bytes.readInt32LE(start) + 12;
    default:
      throw new CommandError(2, `the document is not valid BSON: unknown type 0x${type.toString(16)}`);
  }
}

/** Calls `visit` for each element of the document that begins at `start`; stops when it returns false. */
export function forEachElement(
  bytes: Buffer,
  start: number,
  visit: (type: number, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number) => boolean | void,
): void {
  const end = start + bytes.readInt32LE(start) - 1;
  let at = start + 4;
  while (at < end) {
    const type = bytes[at] ?? 0;
    const nameStart = at + 1;
    let nameEnd = nameStart;
    while (bytes[nameEnd] !== 0) {
      if (nameEnd >= end) throw new CommandError(2, "the document is not valid BSON: a name has no end");
      nameEnd += 1;
    }
    const next = valueEnd(bytes, type, nameEnd + 1);
    if (next > end) throw new CommandError(2, "the document is not valid BSON: a value is longer than its document");
    if (visit(type, nameStart, nameEnd, nameEnd + 1, next) === false) return;
    at = next;
  }
}

const names = new Map<string, Buffer>();
const maxNames = 10_000;

function nameBytes(name: string): Buffer {
  let bytes = names.get(name);
  if (bytes === undefined) {
    bytes = Buffer.from(name, "utf8");
    // A cache only: at its bound it starts afresh.
    if (names.size >= maxNames) names.clear();
    names.set(name, bytes);
  }
  return bytes;
}

/** The element of that name in the document that begins at `start`. A loop of its own: every query and key goes through here. */
export function findElement(bytes: Buffer, start: number, name: string): RawValue | undefined {
  const wanted = nameBytes(name);
  const end = start + bytes.readInt32LE(start) - 1;
  let at = start + 4;
  while (at < end) {
    const type = bytes[at] ?? 0;
    const nameStart = at + 1;
    let i = 0;
    while (i < wanted.length && bytes[nameStart + i] === wanted[i]) i += 1;
    const same = i === wanted.length && bytes[nameStart + i] === 0;
    let nameEnd = nameStart + i;
    while (bytes[nameEnd] !== 0) {
      if (nameEnd >= end) throw new CommandError(2, "the document is not valid BSON: a name has no end");
      nameEnd += 1;
    }
    const next = valueEnd(bytes, type, nameEnd + 1);
    if (next > end) throw new CommandError(2, "the document is not valid BSON: a value is longer than its document");
    if (same) return { type, bytes, start: nameEnd + 1, end: next };
    at = next;
  }
  return undefined;
}

/** The typed value. */
export function decodeValue({ type, bytes, start, end }: RawValue): unknown {
  switch (type) {
    case bsonType.string:
      return bytes.toString("utf8", start + 4, end - 1);
    case bsonType.boolean:
      return bytes[start] === 1;
    case bsonType.null:
      return null;
    case bsonType.date:
      return new Date(Number(bytes.readBigInt64LE(start)));
    case bsonType.object:
      return decodeDocument(bytes.subarray(start, end));
    case bsonType.array:
      // An array is laid out as a document with the keys "0", "1", ….
      return Object.values(decodeDocument(bytes.subarray(start, end)));
    default:
      return decodeDocument(wrapValue({ type, bytes, start, end }))["v"];
  }
}

/** The document `{v: value}`. */
function wrapValue(value: RawValue): Buffer {
  return buildDocument([{ name: "v", value }]);
}

/** Where a typed (or plain JavaScript) value lies once it is BSON. */
export function rawValueOf(value: unknown): RawValue {
  const raw = findElement(encodeDocument({ v: value }), 0, "v");
  if (raw === undefined) throw new CommandError(2, "the value has no BSON form");
  return raw;
}

export interface NamedRawValue {
  readonly name: string;
  readonly value: RawValue;
}

/** A document from values that lie elsewhere, in the order given. */
export function buildDocument(elements: readonly NamedRawValue[]): Buffer {
  let size = 5;
  for (const { name, value } of elements) size += 2 + nameBytes(name).length + (value.end - value.start);
  const out = Buffer.allocUnsafe(size);
  out.writeInt32LE(size, 0);
  let at = 4;
  for (const { name, value } of elements) {
    const key = nameBytes(name);
    out[at] = value.type;
    key.copy(out, at + 1);
    out[at + 1 + key.length] = 0;
    at += 2 + key.length;
    value.bytes.copy(out, at, value.start, value.end);
    at += value.end - value.start;
  }
  out[at] = 0;
  return out;
}

/** A document as it lies in storage, read field by field. */
export class RawDocument {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  raw(name: string): RawValue | undefined {
    return findElement(this.bytes, 0, name);
  }

  /** The typed value of a top-level field; undefined when there is none. */
  get(name: string): unknown {
    const raw = this.raw(name);
    return raw === undefined ? undefined : decodeValue(raw);
  }
}
