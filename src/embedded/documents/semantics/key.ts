/**
 * An encoding of BSON values whose byte order is MongoDB's comparison order, so that an index is a sorted run of bytes.
 * It is the storage format of every index. Self-delimiting: fields can follow each other, and a descending field is its
 * bytes inverted. Source of the order: MongoDB manual, "BSON Types: Comparison/Sort Order".
 */
import { Decimal128 } from "bson";
import { bsonType, forEachElement } from "./bson.js";
import type { RawValue } from "./bson.js";

/** The first byte of a key: the place of a type among the types. Numbers share one, as do strings and symbols. */
export const rank = {
  minKey: 0x02,
  /** Undefined sorts as null, as it matches as null; this place below it is the empty array's. */
  emptyArray: 0x06,
  null: 0x0a,
  number: 0x14,
  string: 0x1e,
  object: 0x28,
  array: 0x32,
  binary: 0x3c,
  objectId: 0x46,
  boolean: 0x50,
  date: 0x5a,
  timestamp: 0x64,
  regex: 0x6e,
  dbPointer: 0x78,
  code: 0x82,
  codeWithScope: 0x8c,
  maxKey: 0xfa,
} as const;

export function rankOfType(type: number): number {
  switch (type) {
    case bsonType.double:
    case bsonType.int32:
    case bsonType.int64:
    case bsonType.decimal128:
      return rank.number;
    case bsonType.string:
    case bsonType.symbol:
      return rank.string;
    case bsonType.object:
      return rank.object;
    case bsonType.array:
      return rank.array;
    case bsonType.binary:
      return rank.binary;
    case bsonType.objectId:
      return rank.objectId;
    case bsonType.boolean:
      return rank.boolean;
    case bsonType.date:
      return rank.date;
    case bsonType.regex:
      return rank.regex;
    case bsonType.dbPointer:
      return rank.dbPointer;
    case bsonType.code:
      return rank.code;
    case bsonType.codeWithScope:
      return rank.codeWithScope;
    case bsonType.timestamp:
      return rank.timestamp;
    case bsonType.minKey:
      return rank.minKey;
    case bsonType.maxKey:
      return rank.maxKey;
    default:
      return rank.null;
  }
}

/** Bytes of a NaN's key: below every other number. */
export const nanKey = Buffer.from([rank.number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
export const nullKey = Buffer.from([rank.null]);
export const emptyArrayKey = Buffer.from([rank.emptyArray]);

/** Grows as needed; one is reused for many keys, `take` copies the bytes out. */
export class KeyWriter {
  #bytes = Buffer.allocUnsafe(512);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  reset(): this {
    this.#at = 0;
    return this;
  }

  take(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at));
  }

  #room(n: number): void {
    if (this.#at + n <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + n));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#at] = value;
    this.#at += 1;
  }

  bytes(source: Uint8Array, start = 0, end = source.length): void {
    this.#room(end - start);
    this.#bytes.set(source.subarray(start, end), this.#at);
    this.#at += end - start;
  }

  uint32(value: number): void {
    this.#room(4);
    this.#bytes.writeUInt32BE(value, this.#at);
    this.#at += 4;
  }

  /** A whole number up to 2⁵³, 8 bytes. */
  uint53(value: number): void {
    this.uint32(Math.floor(value / 0x1_0000_0000));
    this.uint32(value % 0x1_0000_0000);
  }

  /** Turns the order of what was written since `from` around. */
  invert(from: number): void {
    for (let i = from; i < this.#at; i += 1) this.#bytes[i] = ~(this.#bytes[i] ?? 0);
  }

  /** The value with its rank in front. */
  value(value: RawValue): void {
    this.byte(rankOfType(value.type));
    this.#payload(value);
  }

  #payload(value: RawValue): void {
    const { type, bytes, start, end } = value;
    switch (type) {
      case bsonType.int32:
        return this.#number(bytes.readInt32LE(start), 0);
      case bsonType.double:
        return this.#number(bytes.readDoubleLE(start), 0);
      case bsonType.int64:
        return this.#int64(bytes.readBigInt64LE(start));
      case bsonType.decimal128:
        // By its nearest double: exact to 15 digits. See README.md, "differs".
        return this.#number(Number(new Decimal128(Uint8Array.from(bytes.subarray(start, end))).toString()), 0);
      case bsonType.string:
      case bsonType.symbol:
        return this.#text(bytes, start + 4, end - 1);
      case bsonType.code:
        return this.#text(bytes, start + 4, end - 1);
      case bsonType.object:
      case bsonType.codeWithScope:
        return this.#object(bytes, type === bsonType.object ? start : start + 8 + bytes.readInt32LE(start + 4));
      case bsonType.array:
        forEachElement(bytes, start, (elementType, _nameStart, _nameEnd, valueStart, valueEnd) => {
          this.value({ type: elementType, bytes, start: valueStart, end: valueEnd });
        });
        return this.byte(0);
      case bsonType.binary:
        this.uint32(bytes.readInt32LE(start));
        return this.bytes(bytes, start + 4, end);
      case bsonType.objectId:
      case bsonType.boolean:
      case bsonType.dbPointer:
        return this.bytes(bytes, start, end);
      case bsonType.date:
        this.#room(8);
        this.#bytes.writeBigUInt64BE(
          BigInt.asUintN(64, bytes.readBigInt64LE(start)) ^ 0x8000_0000_0000_0000n,
          this.#at,
        );
        this.#at += 8;
        return;
      case bsonType.timestamp:
        this.uint32(bytes.readUInt32LE(start + 4));
        return this.uint32(bytes.readUInt32LE(start));
      case bsonType.regex: {
        const patternEnd = bytes.indexOf(0, start);
        this.#text(bytes, start, patternEnd);
        return this.#text(bytes, patternEnd + 1, end - 1);
      }
      default:
        return; // null, undefined, MinKey and MaxKey are their rank
    }
  }

  #object(bytes: Buffer, start: number): void {
    forEachElement(bytes, start, (type, nameStart, nameEnd, valueStart, valueEnd) => {
      // MongoDB compares an element by type, then name, then value.
      this.byte(rankOfType(type));
      this.#text(bytes, nameStart, nameEnd);
      this.#payload({ type, bytes, start: valueStart, end: valueEnd });
    });
    this.byte(0);
  }

  /** UTF-8 order. A zero byte is 00 FF, the end 00 01, so that a prefix sorts first and nothing that follows matters. */
  #text(bytes: Buffer, start: number, end: number): void {
    const zero = bytes.indexOf(0, start);
    if (zero === -1 || zero >= end) {
      this.bytes(bytes, start, end);
    } else {
      for (let i = start; i < end; i += 1) {
        const byte = bytes[i] ?? 0;
        this.byte(byte);
        if (byte === 0) this.byte(0xff);
      }
    }
    this.byte(0);
    this.byte(1);
  }

  /** A double with its sign folded in, then what an int64 has beyond that double (0 … 2047). */
  #number(value: number, residual: number): void {
    this.#room(10);
    const at = this.#at;
    this.#at += 10;
    if (Number.isNaN(value)) {
      this.#bytes.fill(0, at, this.#at);
      return;
    }
    this.#bytes.writeDoubleBE(value === 0 ? 0 : value, at);
    const first = this.#bytes[at] ?? 0;
    if (first & 0x80) for (let i = at; i < at + 8; i += 1) this.#bytes[i] = ~(this.#bytes[i] ?? 0);
    else this.#bytes[at] = first | 0x80;
    this.#bytes.writeUInt16BE(residual, at + 8);
  }

  #int64(value: bigint): void {
    let double = Number(value);
    if (Number.isSafeInteger(double)) return this.#number(double, 0);
    if (BigInt(double) > value) double = below(double);
    this.#number(double, Number(value - BigInt(double)));
  }
}

/** The next double below a finite one that is not zero. */
function below(value: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? -1n : 1n));
  return view.getFloat64(0);
}

const shared = new KeyWriter();

/** The key of one value, ascending. */
export function keyOf(value: RawValue): Buffer {
  shared.reset().value(value);
  return shared.take();
}

/** The least key above every key that begins with `prefix`; undefined when there is none (all bytes FF). */
export function after(prefix: Uint8Array): Buffer | undefined {
  for (let i = prefix.length - 1; i >= 0; i -= 1) {
    const byte = prefix[i] ?? 0;
    if (byte === 0xff) continue;
    const next = Buffer.from(prefix.subarray(0, i + 1));
    next[i] = byte + 1;
    return next;
  }
  return undefined;
}
