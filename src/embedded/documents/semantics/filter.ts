/**
 * Query filters, compiled once and tested against documents in place. Written here and not left to mingo because it must
 * tell int, long, double and decimal apart and order every type as the index does; `$expr` is mingo's.
 */
import { BSONRegExp } from "bson";
import type { Document } from "./bson.js";
import { CommandError } from "./errors.js";
import { compileExpression } from "./expression.js";
import { visitPath } from "./paths.js";
import type { Fields } from "./paths.js";
import { typeMatcher } from "./type-names.js";
import { compare, isEqual, isPlainObject, missing, numberOf, rankOf } from "./values.js";
import { rank } from "./key.js";

export type Matcher = (fields: Fields) => boolean;
/** Tests one value that a path led to: an array comes whole. */
type ValueTest = (value: unknown) => boolean;

const maxDepth = 100;

/** Compiles a filter. Throws BadValue with the server's words for what it does not know. */
export function compileFilter(filter: Document, depth = 0): Matcher {
  if (depth > maxDepth) throw new CommandError(2, `exceeded the depth limit of ${maxDepth} for a filter`);
  const tests = Object.entries(filter).map(([key, condition]: [string, unknown]) =>
    key.startsWith("$") ? compileLogical(key, condition, depth) : compileField(key, condition, depth),
  );
  const [only] = tests;
  if (tests.length === 1 && only !== undefined) return only;
  return (fields) => tests.every((test) => test(fields));
}

function compileLogical(operator: string, condition: unknown, depth: number): Matcher {
  switch (operator) {
    case "$and":
    case "$or":
    case "$nor": {
      if (!Array.isArray(condition) || condition.length === 0) {
        throw new CommandError(2, `${operator} must be a nonempty array`);
      }
      const branches = condition.map((branch: unknown) => {
        if (!isPlainObject(branch)) {
          throw new CommandError(2, `${operator} argument's entries must be objects`);
        }
        return compileFilter(branch, depth + 1);
      });
      if (operator === "$and") return (fields) => branches.every((branch) => branch(fields));
      if (operator === "$or") return (fields) => branches.some((branch) => branch(fields));
      return (fields) => !branches.some((branch) => branch(fields));
    }
    case "$expr":
      return compileExpression(condition);
    case "$comment":
      return () => true;
    default:
      throw new CommandError(2, `unknown top level operator: ${operator}`);
  }
}

function compileField(path: string, condition: unknown, depth: number): Matcher {
  const segments = path.split(".");
  const tests: Matcher[] = [];
  for (const [operator, operand] of conditionsOf(condition)) {
    tests.push(compileOperator(segments, operator, operand, condition, depth));
  }
  const [only] = tests;
  if (tests.length === 1 && only !== undefined) return only;
  return (fields) => tests.every((test) => test(fields));
}

/** `{a: 5}` is `{a: {$eq: 5}}`; an object of operators is taken apart. */
export function conditionsOf(condition: unknown): readonly (readonly [string, unknown])[] {
  if (condition instanceof BSONRegExp) return [["$regex", condition]];
  if (!isPlainObject(condition)) return [["$eq", condition]];
  const entries = Object.entries(condition);
  const operators = entries.filter(([key]) => key.startsWith("$"));
  if (operators.length === 0) return [["$eq", condition]];
  if (operators.length !== entries.length) {
    const plain = entries.find(([key]) => !key.startsWith("$"))?.[0] ?? "";
    throw new CommandError(2, `unknown operator: ${plain}`);
  }
  return operators;
}

/** Each value that the path leads to, and each item of those that are arrays. */
function anyOf(path: readonly string[], test: ValueTest): Matcher {
  return (fields) => visitPath(fields, path, (value) => test(value) || (Array.isArray(value) && value.some(test)));
}

/** Each value that the path leads to, arrays only whole. */
function whole(path: readonly string[], test: ValueTest): Matcher {
  return (fields) => visitPath(fields, path, test);
}

function not(matcher: Matcher): Matcher {
  return (fields) => !matcher(fields);
}

function compileOperator(
  path: readonly string[],
  operator: string,
  operand: unknown,
  condition: unknown,
  depth: number,
): Matcher {
  switch (operator) {
    case "$eq":
      return anyOf(path, equalTo(operand));
    case "$ne":
      return not(anyOf(path, equalTo(operand)));
    case "$gt":
      return anyOf(
        path,
        ordered(operand, (order) => order > 0),
      );
    case "$gte":
      return anyOf(
        path,
        ordered(operand, (order) => order >= 0),
      );
    case "$lt":
      return anyOf(
        path,
        ordered(operand, (order) => order < 0),
      );
    case "$lte":
      return anyOf(
        path,
        ordered(operand, (order) => order <= 0),
      );
    case "$in":
      return anyOf(path, oneOf(operator, operand));
    case "$nin":
      return not(anyOf(path, oneOf(operator, operand)));
    case "$exists": {
      const present = whole(path, (value) => value !== missing);
      return isTruthy(operand) ? present : not(present);
    }
    case "$type":
      return anyOf(path, typeMatcher(operand));
    case "$regex":
      return anyOf(path, regexTest(operand, isPlainObject(condition) ? condition["$options"] : undefined));
    case "$options":
      if (isPlainObject(condition) && "$regex" in condition) return () => true;
      throw new CommandError(2, "$options needs a $regex");
    case "$not":
      return not(compileNot(path, operand, depth));
    case "$mod":
      return anyOf(path, modulo(operand));
    case "$size":
      return whole(path, sizeTest(operand));
    case "$all":
      return compileAll(path, operand, depth);
    case "$elemMatch": {
      const test = elementTest(operand, depth);
      return whole(path, (value) => Array.isArray(value) && value.some(test));
    }
    default:
      throw new CommandError(2, `unknown operator: ${operator}`);
  }
}

function compileNot(path: readonly string[], operand: unknown, depth: number): Matcher {
  if (operand instanceof BSONRegExp) return anyOf(path, regexTest(operand, undefined));
  if (!isPlainObject(operand) || Object.keys(operand).length === 0) {
    throw new CommandError(2, "$not needs a regex or a document of operators");
  }
  const tests = conditionsOf(operand).map(([operator, value]) => {
    if (!operator.startsWith("$")) throw new CommandError(2, `unknown operator: ${operator}`);
    return compileOperator(path, operator, value, operand, depth + 1);
  });
  return (fields) => tests.every((test) => test(fields));
}

function equalTo(operand: unknown): ValueTest {
  if (operand === undefined || operand === null) {
    return (value) => value === missing || value === null || value === undefined;
  }
  if (typeof operand === "string" || typeof operand === "boolean") return (value) => value === operand;
  return (value) => value !== missing && isEqual(value, operand);
}

/** A comparison holds only within one type: `{$gt: 5}` finds no strings. MinKey and MaxKey compare with everything. */
function ordered(operand: unknown, holds: (order: number) => boolean): ValueTest {
  if (operand instanceof BSONRegExp) throw new CommandError(2, "Can't have RegEx as arg to a comparison");
  const type = rankOf(operand);
  if (type === rank.minKey || type === rank.maxKey) {
    return (value) => value !== missing && holds(compare(value, operand));
  }
  const operandIsNaN = Number.isNaN(numberOf(operand));
  return (value) => {
    if (rankOf(value) !== type) return false;
    // NaN is below every number in a sort, but only equal to itself in a comparison.
    if (type === rank.number && Number.isNaN(numberOf(value)) !== operandIsNaN) return false;
    return holds(compare(value, operand));
  };
}

function oneOf(operator: string, operand: unknown): ValueTest {
  if (!Array.isArray(operand)) throw new CommandError(2, `${operator} needs an array`);
  const tests = operand.map((item: unknown) => {
    if (isPlainObject(item) && Object.keys(item)[0]?.startsWith("$")) {
      throw new CommandError(2, `cannot nest $ under ${operator}`);
    }
    return item instanceof BSONRegExp ? regexTest(item, undefined) : equalTo(item);
  });
  const strings = new Set(operand.filter((item): item is string => typeof item === "string"));
  if (strings.size === operand.length) return (value) => typeof value === "string" && strings.has(value);
  return (value) => tests.some((test) => test(value));
}

/** The pattern as JavaScript takes it. Options: i, m, s, u as themselves; x (extended) is refused. */
function toRegExp(operand: unknown, options: unknown): RegExp {
  const pattern = operand instanceof BSONRegExp ? operand.pattern : operand;
  if (typeof pattern !== "string") throw new CommandError(2, "$regex has to be a string");
  const given = typeof options === "string" ? options : operand instanceof BSONRegExp ? operand.options : "";
  for (const flag of given) {
    if (!"imsu".includes(flag)) throw new CommandError(51108, `invalid flag in regex options: ${flag}`);
  }
  try {
    return new RegExp(pattern, [...new Set(given)].join(""));
  } catch {
    throw new CommandError(51091, `Regular expression is invalid: ${pattern}`);
  }
}

function regexTest(operand: unknown, options: unknown): ValueTest {
  const regex = toRegExp(operand, options);
  return (value) =>
    typeof value === "string"
      ? regex.test(value)
      : operand instanceof BSONRegExp && value instanceof BSONRegExp && isEqual(value, operand);
}

function modulo(operand: unknown): ValueTest {
  const [divisor, remainder] = Array.isArray(operand) ? operand.map((item: unknown) => numberOf(item)) : [];
  if (!Array.isArray(operand) || operand.length !== 2 || divisor === undefined || remainder === undefined) {
    throw new CommandError(2, "malformed mod, needs to be an array of two numbers");
  }
  if (Math.trunc(divisor) === 0) throw new CommandError(2, "divisor cannot be 0");
  return (value) => {
    const number = numberOf(value);
    return number !== undefined && Math.trunc(number) % Math.trunc(divisor) === Math.trunc(remainder);
  };
}

function sizeTest(operand: unknown): ValueTest {
  const size = numberOf(operand);
  if (size === undefined || !Number.isInteger(size) || size < 0) {
    throw new CommandError(2, "$size must be a whole number, 0 or more");
  }
  return (value) => Array.isArray(value) && value.length === size;
}

function compileAll(path: readonly string[], operand: unknown, depth: number): Matcher {
  if (!Array.isArray(operand)) throw new CommandError(2, "$all needs an array");
  if (operand.length === 0) return () => false;
  const tests = operand.map((item: unknown) => {
    if (isPlainObject(item) && "$elemMatch" in item) {
      return compileOperator(path, "$elemMatch", item["$elemMatch"], item, depth + 1);
    }
    return item instanceof BSONRegExp ? anyOf(path, regexTest(item, undefined)) : anyOf(path, equalTo(item));
  });
  return (fields) => tests.every((test) => test(fields));
}

/** What one item of an array must be: `{$gt: 5}` on the item itself, or a filter on an object. */
export function elementTest(operand: unknown, depth: number): ValueTest {
  if (!isPlainObject(operand)) throw new CommandError(2, "$elemMatch needs an Object");
  const [first] = Object.keys(operand);
  if (first !== undefined && first.startsWith("$") && !["$and", "$or", "$nor", "$expr"].includes(first)) {
    const matcher = compileField("v", operand, depth + 1);
    return (item) => matcher({ v: item });
  }
  const matcher = compileFilter(operand, depth + 1);
  return (item) => isPlainObject(item) && matcher(item);
}

function isTruthy(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  const number = numberOf(value);
  if (number !== undefined) return number !== 0;
  return value !== null && value !== undefined;
}
