/** What a condition on one field says about its place in an index. */
import { BSONRegExp } from "bson";
import { rawValueOf } from "../semantics/bson.js";
import { keyOf, nanKey, nullKey, rank, rankOfType } from "../semantics/key.js";
import { isPlainObject } from "../semantics/values.js";

/** A bound stands for every key that begins with it. */
interface Bound {
  readonly key: Buffer;
  readonly inclusive: boolean;
  /** The key of one value, to its end, so that the next field's can follow; else the beginning of several. */
  readonly whole: boolean;
}

export interface Range {
  readonly lower: Bound;
  readonly upper: Bound;
}

export interface FieldBounds {
  readonly ranges: readonly Range[];
  /** Every key inside satisfies the condition, so that no document need be looked at. */
  readonly exact: boolean;
}

export function isPoint({ lower, upper }: Range): boolean {
  return lower.whole && lower.inclusive && upper.inclusive && lower.key.equals(upper.key);
}

function point(key: Buffer): Range {
  const bound = { key, inclusive: true, whole: true };
  return { lower: bound, upper: bound };
}

/** undefined: the condition says nothing that an index could use. */
export function boundsOf(operator: string, operand: unknown, condition: unknown): FieldBounds | undefined {
  switch (operator) {
    case "$eq": {
      const key = scalarKey(operand);
      return key === undefined ? undefined : { ranges: [point(key)], exact: true };
    }
    case "$in":
      return inBounds(operand);
    case "$gt":
    case "$gte":
    case "$lt":
    case "$lte":
      return rangeBounds(operator, operand);
    case "$regex":
      return regexBounds(operand, isPlainObject(condition) ? condition["$options"] : undefined);
    default:
      return undefined;
  }
}

/** Arrays and patterns have no one key: an index has an array's items. */
function scalarKey(operand: unknown): Buffer | undefined {
  if (operand === null || operand === undefined) return nullKey;
  if (Array.isArray(operand) || operand instanceof BSONRegExp) return undefined;
  return keyOf(rawValueOf(operand));
}

function inBounds(operand: unknown): FieldBounds | undefined {
  if (!Array.isArray(operand)) return undefined;
  const keys = operand.map((item: unknown) => scalarKey(item));
  const known = keys.filter((key) => key !== undefined).sort((a, b) => Buffer.compare(a, b));
  if (known.length !== keys.length) return undefined;
  const distinct = known.filter((key, i) => i === 0 || known[i - 1]?.equals(key) !== true);
  return { ranges: distinct.map((key) => point(key)), exact: true };
}

function rangeBounds(operator: "$gt" | "$gte" | "$lt" | "$lte", operand: unknown): FieldBounds | undefined {
  const key = scalarKey(operand);
  if (key === undefined || operand === null || operand === undefined) return undefined;
  const type = rankOfType(rawValueOf(operand).type);
  if (type === rank.minKey || type === rank.maxKey) return undefined;
  const all: Bound = { key: Buffer.from([type]), inclusive: true, whole: false };
  const isNaNKey = key.equals(nanKey);
  if (isNaNKey) return { ranges: operator === "$gte" || operator === "$lte" ? [point(nanKey)] : [], exact: true };
  const inclusive = operator === "$gte" || operator === "$lte";
  if (operator === "$gt" || operator === "$gte") {
    return { ranges: [{ lower: { key, inclusive, whole: true }, upper: all }], exact: true };
  }
  // NaN lies below all numbers, and is less than none of them.
  const lower = type === rank.number ? { key: nanKey, inclusive: false, whole: true } : all;
  return { ranges: [{ lower, upper: { key, inclusive, whole: true } }], exact: true };
}

/** `/^abc/` and `/^abc.../`: what begins with abc. */
function regexBounds(operand: unknown, options: unknown): FieldBounds | undefined {
  const pattern = operand instanceof BSONRegExp ? operand.pattern : operand;
  const flags = typeof options === "string" ? options : operand instanceof BSONRegExp ? operand.options : "";
  if (typeof pattern !== "string" || flags !== "" || pattern.includes("|")) return undefined;
  const match = /^\^([\w\-:/@ ]+)(.?)/s.exec(pattern);
  if (match === null) return undefined;
  const [, literal = "", next = ""] = match;
  const prefix = "*?{+".includes(next) && next !== "" ? literal.slice(0, -1) : literal;
  if (prefix === "") return undefined;
  const bound = {
    key: Buffer.concat([Buffer.from([rank.string]), Buffer.from(prefix)]),
    inclusive: true,
    whole: false,
  };
  return { ranges: [{ lower: bound, upper: bound }], exact: false };
}

/** What lies in both. Only for fields that are no arrays: two items of an array can satisfy one condition each. */
export function intersect(a: FieldBounds, b: FieldBounds): FieldBounds {
  const ranges = a.ranges.flatMap((left) =>
    b.ranges.map((right): Range => ({ lower: higher(left.lower, right.lower), upper: lower(left.upper, right.upper) })),
  );
  return { ranges: ranges.filter((range) => !isEmpty(range)), exact: a.exact && b.exact };
}

function higher(a: Bound, b: Bound): Bound {
  const order = Buffer.compare(a.key, b.key);
  if (order === 0) return a.inclusive ? b : a;
  // A bound that begins with the other lies inside it; exclusive bounds are whole values, which no other begins with.
  return order > 0 ? a : b;
}

function lower(a: Bound, b: Bound): Bound {
  const order = Buffer.compare(a.key, b.key);
  if (order === 0) return a.inclusive ? b : a;
  const [less, more] = order < 0 ? [a, b] : [b, a];
  return beginsWith(more.key, less.key) && less.inclusive ? more : less;
}

function beginsWith(key: Buffer, prefix: Buffer): boolean {
  return key.length >= prefix.length && key.subarray(0, prefix.length).equals(prefix);
}

function isEmpty({ lower, upper }: Range): boolean {
  if (beginsWith(lower.key, upper.key)) return !upper.inclusive;
  if (beginsWith(upper.key, lower.key)) return !lower.inclusive;
  return Buffer.compare(lower.key, upper.key) > 0;
}
