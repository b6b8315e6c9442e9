/** The fields of a line that line-protocol.ts has made, read back: the few characters that it writes, not all that InfluxDB would take. */
import type { MetricValue } from "../reading.js";
import { metricOf, QUALITY } from "./line-protocol.js";

export interface Fields {
  readonly values: Readonly<Record<string, MetricValue>>;
  readonly quality?: Readonly<Record<string, string>>;
}

const COMMA = 0x2c;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
/** Decimal digits that a number always holds exactly. */
export const EXACT_DIGITS = 15;
export const POWERS: readonly number[] = Array.from({ length: EXACT_DIGITS + 1 }, (_, n) => 10 ** n);

/** Where the value ends that begins at `at`: at its comma, or at `end`. */
export function valueEnd(bytes: Uint8Array, at: number, end: number): number {
  let index = at;
  if (bytes[index] !== QUOTE) {
    while (index < end && bytes[index] !== COMMA) index += 1;
    return index;
  }
  for (index += 1; index < end && bytes[index] !== QUOTE; index += 1) if (bytes[index] === BACKSLASH) index += 1;
  return index + 1;
}

export function decodeFields(bytes: Buffer, from: number, end: number): Fields {
  const values: Record<string, MetricValue> = {};
  let quality: Record<string, string> | undefined;
  for (let at = from; at < end;) {
    const equals = bytes.indexOf(EQUALS, at);
    const field = bytes.toString("latin1", at, equals);
    const valueTo = valueEnd(bytes, equals + 1, end);
    const value = decodeValue(bytes, equals + 1, valueTo);
    if (field.endsWith(QUALITY)) (quality ??= {})[metricOf(field)] = String(value);
    else values[metricOf(field)] = value;
    at = valueTo + 1;
  }
  return quality === undefined ? { values } : { values, quality };
}

function decodeValue(bytes: Buffer, from: number, to: number): MetricValue {
  if (bytes[from] === QUOTE) return bytes.toString("utf8", from + 1, to - 1).replace(/\\([\\"])/gu, "$1");
  const text = bytes.toString("latin1", from, to);
  if (text === "true" || text === "false") return text === "true";
  return Number(text);
}

/** Looks through the fields of a line without making anything of them; used again and again. */
export class FieldCursor {
  bytes: Buffer = Buffer.alloc(0);
  /** Where the name of the field stands that it is at. */
  nameFrom = 0;
  nameTo = 0;
  #next = 0;

  /** To a line's first field; `fieldsFrom` is where it begins. */
  open(bytes: Buffer, fieldsFrom: number): void {
    this.bytes = bytes;
    this.#next = fieldsFrom;
    this.#name();
  }

  /** To the next field; false after the last one. */
  next(): boolean {
    const { bytes } = this;
    let at = this.nameTo + 1;
    if (bytes[at] === QUOTE) at = valueEnd(bytes, at, bytes.length);
    else while (bytes[at] !== COMMA && bytes[at] !== SPACE && at < bytes.length) at += 1;
    if (bytes[at] !== COMMA) return false;
    this.#next = at + 1;
    this.#name();
    return true;
  }

  /** The field's value, where its name says that it is a number. */
  number(): number {
    const { bytes } = this;
    const from = this.nameTo + 1;
    const isNegative = bytes[from] === MINUS;
    let at = isNegative ? from + 1 : from;
    let digits = 0;
    let scale = -1;
    let mantissa = 0;
    for (; ; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte >= ZERO && byte <= NINE) {
        mantissa = mantissa * 10 + (byte - ZERO);
        digits += 1;
        if (scale >= 0) scale += 1;
      } else if (byte === POINT) {
        scale = 0;
      } else if (byte === COMMA || byte === SPACE) {
        break;
      } else {
        digits = Number.POSITIVE_INFINITY;
        break;
      }
    }
    // Both are exact then, and so their quotient is the nearest number: what Number() would give.
    if (digits <= EXACT_DIGITS) {
      const value = scale > 0 ? mantissa / (POWERS[scale] ?? 1) : mantissa;
      return isNegative ? -value : value;
    }
    while (bytes[at] !== COMMA && bytes[at] !== SPACE && at < bytes.length) at += 1;
    return Number(bytes.toString("latin1", from, at));
  }

  #name(): void {
    const { bytes } = this;
    let at = this.#next;
    this.nameFrom = at;
    while (bytes[at] !== EQUALS && at < bytes.length) at += 1;
    this.nameTo = at;
  }
}
