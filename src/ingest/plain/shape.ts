/**
 * A device says the same sentence each time, with other numbers. A shape is such a sentence: the bytes between the numbers,
 * and what was found of the metrics when it was learnt. A message that fits is made into the fields of its line from bytes
 * to bytes: no text, no object, no parsing of what is known. What does not fit, to the last byte, says nothing at all: it
 * goes the ordinary way, which alone decides what is right. Both make the same line (test/ingest/plain.test.ts).
 */
import type { MetricDefinition } from "../../domain/device-type/index.js";
import { isMetricName } from "../../domain/metric.js";
import { EXACT_DIGITS, POWERS } from "../writer/line-fields.js";
import { fieldOf } from "../writer/line-protocol.js";
import { findNumbers } from "./numbers.js";

type Definitions = ReadonlyMap<string, MetricDefinition> | undefined;

const MAX_METRICS = 32;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const SPACE = 0x20;
const LINE_FEED = 0x0a;
/** What stands behind the fields: a space, at most 16 digits of milliseconds, six below them, a line feed. */
const AFTER_FIELDS = 24;
/** Below it, JavaScript writes a number with an exponent. */
const SMALLEST_PLAIN = 1e-6;

export class Shape {
  /** The device's own time, or NaN where the message has none; of the last message that was scanned. */
  timestamp = Number.NaN;
  /** So many bytes more than the message may have are written at most. */
  readonly room: number;
  /** The bytes before each number, and behind the last. */
  readonly #between: readonly Buffer[];
  /** Which of the numbers is the time; -1 for none. */
  readonly #time: number;
  readonly #min: Float64Array;
  readonly #max: Float64Array;
  /** Of the metrics in the order of the line: which number it is, and the bytes before it. */
  readonly #order: readonly number[];
  readonly #names: readonly Buffer[];
  /** Where each number of the last message stands, as it is to be written. */
  readonly #from: Int32Array;
  readonly #to: Int32Array;

  private constructor(between: readonly Buffer[], metrics: readonly (string | undefined)[], definitions: Definitions) {
    this.#between = between;
    this.#time = metrics.indexOf(undefined);
    this.#min = Float64Array.from(metrics, (name) => definitions?.get(name ?? "")?.min ?? Number.NEGATIVE_INFINITY);
    this.#max = Float64Array.from(metrics, (name) => definitions?.get(name ?? "")?.max ?? Number.POSITIVE_INFINITY);
    const named = [...metrics.entries()].flatMap(([index, name]) => (name === undefined ? [] : [{ index, name }]));
    named.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#order = named.map(({ index }) => index);
    this.#names = named.map(({ name }, index) => Buffer.from(`${index === 0 ? "" : ","}${fieldOf(name, "number")}=`));
    this.#from = new Int32Array(metrics.length);
    this.#to = new Int32Array(metrics.length);
    this.room = AFTER_FIELDS + 4 * metrics.length;
  }

  /** The shape of a message that was found to be right, or `undefined` where it has none. */
  static of(payload: Buffer, definitions: Definitions): Shape | undefined {
    const found = findNumbers(payload);
    if (found === undefined || found.length === 0 || found.length > MAX_METRICS) return undefined;
    const between: Buffer[] = [];
    let from = 0;
    for (const number of found) {
      between.push(Buffer.from(payload.subarray(from, number.from)));
      from = number.to;
    }
    between.push(Buffer.from(payload.subarray(from)));
    const metrics = found.map(({ metric }) => metric);
    const names = metrics.filter((name) => name !== undefined);
    if (names.length === 0 || metrics.length - names.length > 1 || new Set(names).size < names.length) return undefined;
    for (const name of names) {
      if (!isMetricName(name) || (definitions !== undefined && definitions.get(name)?.kind !== "number"))
        return undefined;
    }
    return new Shape(between, metrics, definitions);
  }

  /** Whether the message from `from` to `to` has this shape, and each number is one that the ordinary way would take as it stands. */
  fits(bytes: Buffer, from: number, to: number): boolean {
    const between = this.#between;
    const count = between.length - 1;
    this.timestamp = Number.NaN;
    let at = from;
    for (let index = 0; index <= count; index += 1) {
      const literal = between[index];
      if (literal === undefined || at + literal.length > to) return false;
      for (let n = 0; n < literal.length; n += 1) if (literal[n] !== bytes[at + n]) return false;
      at += literal.length;
      if (index === count) return at === to;
      at = this.#number(index, bytes, at, to);
      if (at === -1) return false;
    }
    return false;
  }

  /** Where the number ends, or -1 when the ordinary way had better look at it. */
  #number(index: number, bytes: Buffer, start: number, end: number): number {
    const isNegative = bytes[start] === MINUS;
    const first = isNegative ? start + 1 : start;
    let at = first;
    let mantissa = 0;
    let point = -1;
    /** Behind the last digit that counts. */
    let last = first;
    for (; at < end; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte >= ZERO && byte <= NINE) {
        mantissa = mantissa * 10 + (byte - ZERO);
        if (point === -1 || byte !== ZERO) last = at + 1;
      } else if (byte === POINT && point === -1) {
        point = at;
      } else {
        break;
      }
    }
    const whole = (point === -1 ? at : point) - first;
    const decimals = point === -1 ? 0 : at - point - 1;
    if (whole === 0 || (point !== -1 && decimals === 0) || whole + decimals > EXACT_DIGITS) return -1;
    if (whole > 1 && bytes[first] === ZERO) return -1;
    if (index === this.#time) {
      if (isNegative || point !== -1 || mantissa === 0) return -1;
      this.timestamp = mantissa;
    } else {
      const size = decimals === 0 ? mantissa : mantissa / (POWERS[decimals] ?? 1);
      if (size < SMALLEST_PLAIN && (size > 0 || isNegative)) return -1;
      const value = isNegative ? -size : size;
      if (value < (this.#min[index] ?? 0) || value > (this.#max[index] ?? 0)) return -1;
    }
    this.#from[index] = start;
    this.#to[index] = last;
    return at;
  }

  /** Writes the fields, the time and the line feed of the message that `fits` was asked last; gives where the line ends. */
  write(bytes: Buffer, into: Buffer, start: number, timestamp: number): number {
    const order = this.#order;
    let at = start;
    // FNV-1a, as line-protocol.ts has it: the part of the time below the millisecond.
    let hash = 0x811c9dc5;
    for (let index = 0; index < order.length; index += 1) {
      const name = this.#names[index];
      const number = order[index] ?? 0;
      if (name === undefined) continue;
      for (let n = 0; n < name.length; n += 1) {
        const byte = name[n] ?? 0;
        into[at] = byte;
        at += 1;
        hash = Math.imul(hash ^ byte, 0x01000193);
      }
      const to = this.#to[number] ?? 0;
      for (let from = this.#from[number] ?? 0; from < to; from += 1) {
        const byte = bytes[from] ?? 0;
        into[at] = byte;
        at += 1;
        hash = Math.imul(hash ^ byte, 0x01000193);
      }
    }
    into[at] = SPACE;
    at = writeDigits(into, at + 1, timestamp, 1);
    at = writeDigits(into, at, (hash >>> 0) % 1_000_000, 6);
    into[at] = LINE_FEED;
    return at + 1;
  }
}

/** A whole number in at least so many digits. */
function writeDigits(into: Buffer, at: number, value: number, least: number): number {
  let digits = least;
  for (let bound = POWERS[least] ?? 1; value >= bound && digits < 16; bound *= 10) digits += 1;
  const end = at + digits;
  // Halves that fit 32 bits divide several times as fast.
  let low = value % 1e8;
  let high = (value - low) / 1e8;
  for (let index = end - 1; index >= at; index -= 1) {
    into[index] = ZERO + (low % 10);
    low = (low / 10) | 0;
    if (end - index === 8) {
      low = high;
      high = 0;
    }
  }
  return end;
}
