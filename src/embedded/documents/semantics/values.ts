/** Comparison of typed values in MongoDB's order. Agrees with the bytes of key.ts, which are its definition; this is the fast way. */
import { Double, Int32, Long, ObjectId } from "bson";
import type { Decimal128 } from "bson";
import { rawValueOf } from "./bson.js";
import { keyOf, rank, rankOfType } from "./key.js";

/** A path that leads nowhere. Not the same as null, though most operators take it so. */
export const missing: unique symbol = Symbol("missing");

export type PlainObject = Record<string, unknown>;

export function isPlainObject(value: unknown): value is PlainObject {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof RegExp) &&
    !("_bsontype" in value)
  );
}

/** The number that an Int32, a Double, a safe Long or a JavaScript number stands for; undefined for everything else. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (value instanceof Int32 || value instanceof Double) return value.value;
  if (Long.isLong(value)) {
    const number = value.toNumber();
    return Number.isSafeInteger(number) ? number : undefined;
  }
  return undefined;
}

export function isDecimal(value: unknown): value is Decimal128 {
  return typeof value === "object" && value !== null && "_bsontype" in value && value._bsontype === "Decimal128";
}

export function rankOf(value: unknown): number {
  switch (typeof value) {
    case "string":
      return rank.string;
    case "number":
    case "bigint":
      return rank.number;
    case "boolean":
      return rank.boolean;
    case "undefined":
    case "symbol":
      return rank.null;
    default:
  }
  if (value === null) return rank.null;
  if (value instanceof Int32 || value instanceof Double || Long.isLong(value)) return rank.number;
  if (Array.isArray(value)) return rank.array;
  if (value instanceof Date) return rank.date;
  if (value instanceof ObjectId) return rank.objectId;
  if (isPlainObject(value)) return rank.object;
  return rankOfType(rawValueOf(value).type);
}

function codePointOrder(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

/** UTF-8 order from UTF-16: a surrogate pair sorts above the rest of the basic plane. */
function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    if (left < 0xd800 || right < 0xd800) return left - right;
    return codePointOrder(left) - codePointOrder(right);
  }
  return a.length - b.length;
}

/** Below, equal or above zero. Missing and undefined compare as null. */
export function compare(a: unknown, b: unknown): number {
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== undefined && right !== undefined) {
    if (left === right) return 0;
    if (Number.isNaN(left)) return Number.isNaN(right) ? 0 : -1;
    if (Number.isNaN(right)) return 1;
    return left < right ? -1 : 1;
  }
  const byRank = rankOf(a) - rankOf(b);
  if (byRank !== 0) return byRank;
  if (rankOf(a) === rank.null) return 0;
  if (typeof a === "boolean") return Number(a) - Number(b);
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
  return Buffer.compare(keyOf(rawValueOf(a)), keyOf(rawValueOf(b)));
}

export function isEqual(a: unknown, b: unknown): boolean {
  return compare(a, b) === 0;
}
