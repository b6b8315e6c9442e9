/** Chooses how to find the documents of a query: which index, which stretches of it, and what is left to test and to sort. */
import type { Document } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { conditionsOf } from "../semantics/filter.js";
import { after } from "../semantics/key.js";
import { isPlainObject, numberOf } from "../semantics/values.js";
import { boundsOf, intersect, isPoint } from "./bounds.js";
import type { FieldBounds, Range } from "./bounds.js";
import type { Collection } from "./catalog.js";
import { keyPattern } from "./index-spec.js";
import type { IndexField, IndexSpec } from "./index-spec.js";
import type { Store } from "./store.js";
import { indexPrefix } from "./writer.js";

/** A half-open stretch of keys. */
export interface Interval {
  readonly start: Buffer;
  readonly end: Buffer;
}

export interface SortField {
  readonly path: string;
  readonly direction: 1 | -1;
}

export interface Plan {
  /** undefined: every document of the collection. */
  readonly index: IndexSpec | undefined;
  readonly intervals: readonly Interval[];
  readonly reverse: boolean;
  /** The intervals hold what the filter asks for and nothing else. */
  readonly exact: boolean;
  /** The scan gives the documents in the order asked for. */
  readonly sorted: boolean;
  /** How many leading fields of the index are bounded; one that is a range counts half. */
  readonly bounded: number;
  /** The one whole key of a unique index that is looked up, in place of a scan. */
  readonly point?: Buffer;
}

export interface PlanRequest {
  readonly filter: Document;
  readonly sort: readonly SortField[];
  readonly hint?: unknown;
}

interface Condition {
  readonly operator: string;
  readonly operand: unknown;
  readonly bounds: FieldBounds | undefined;
}

interface Conditions {
  readonly byPath: ReadonlyMap<string, readonly Condition[]>;
  /** Something beside conditions on fields: `$or`, `$expr`, … */
  readonly others: boolean;
}

/** More stretches than this from `$in` lists are not enumerated; the filter tests instead. */
const maxIntervals = 2_000;

/** A plan that must sort is taken in place of one that need not only if it looks at fewer keys than this. */
const fewKeys = 1_000;

export function choosePlan(store: Store, collection: Collection, request: PlanRequest): Plan {
  const { sort } = request;
  const [first] = sort;
  if (first?.path === "$natural") return collectionScan(request, first.direction === -1, true);
  const direct = request.hint === undefined ? idLookup(collection, request.filter) : undefined;
  if (direct !== undefined) return direct;
  const conditions = gather(request.filter);
  const hinted = hintedIndex(collection, request.hint);
  if (hinted === "natural") return collectionScan(request, false, sort.length === 0);
  if (hinted !== undefined) return planFor(hinted, conditions, sort);
  const plans = collection.indexes
    .filter((index) => covers(index, conditions))
    .map((index) => planFor(index, conditions, sort))
    .filter((plan) => plan.bounded > 0 || (sort.length > 0 && plan.sorted));
  const sorted = best(plans.filter((plan) => plan.sorted));
  const unsorted = best(plans.filter((plan) => !plan.sorted));
  if (sorted === undefined) return unsorted ?? collectionScan(request, false, sort.length === 0);
  if (unsorted !== undefined && unsorted.bounded > sorted.bounded && countKeys(store, unsorted, fewKeys) < fewKeys) {
    return unsorted;
  }
  return sorted;
}

/** `{_id: value, …}`: what nearly every write and many reads ask for, without planning. */
function idLookup(collection: Collection, filter: Document): Plan | undefined {
  const [index] = collection.indexes;
  const id: unknown = filter["_id"];
  if (index === undefined || id === undefined) return undefined;
  const [condition, ...more] = conditionsOf(id);
  if (condition === undefined || more.length > 0) return undefined;
  const range = condition[0] === "$eq" ? boundsOf("$eq", condition[1], id)?.ranges[0] : undefined;
  if (range === undefined) return undefined;
  const point = Buffer.concat([indexPrefix(index), range.lower.key]);
  const exact = Object.keys(filter).length === 1;
  return { index, intervals: [], reverse: false, exact, sorted: true, bounded: 1, point };
}

function best(plans: readonly Plan[]): Plan | undefined {
  return plans.reduce<Plan | undefined>((chosen, plan) => {
    if (chosen === undefined || plan.bounded > chosen.bounded) return plan;
    return plan.bounded === chosen.bounded && plan.exact && !chosen.exact ? plan : chosen;
  }, undefined);
}

function countKeys(store: Store, plan: Plan, limit: number): number {
  let count = 0;
  for (const { start, end } of plan.intervals) {
    count += store.entries.getKeysCount({ start, end, limit: limit - count });
    if (count >= limit) break;
  }
  return count;
}

function collectionScan(request: PlanRequest, reverse: boolean, sorted: boolean): Plan {
  const exact = Object.keys(request.filter).length === 0;
  return { index: undefined, intervals: [], reverse, exact, sorted, bounded: 0 };
}

function hintedIndex(collection: Collection, hint: unknown): IndexSpec | "natural" | undefined {
  if (hint === undefined || hint === null) return undefined;
  if (isPlainObject(hint)) {
    if (Object.keys(hint).length === 0) return undefined;
    if ("$natural" in hint) return "natural";
  }
  const wanted = typeof hint === "string" ? hint : patternText(hint);
  const found = collection.indexes.find((index) =>
    typeof hint === "string" ? index.name === wanted : JSON.stringify(keyPattern(index)) === wanted,
  );
  if (found === undefined) {
    throw new CommandError(
      2,
      "error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index",
    );
  }
  return found;
}

function patternText(hint: unknown): string {
  if (!isPlainObject(hint)) throw new CommandError(9, "Hint must be a string or an object");
  return JSON.stringify(
    Object.fromEntries(
      Object.entries(hint).map(([path, direction]) => [path, (numberOf(direction) ?? 1) < 0 ? -1 : 1]),
    ),
  );
}

function gather(filter: Document): Conditions {
  const byPath = new Map<string, Condition[]>();
  let others = false;
  const visit = (document: Document): void => {
    for (const [key, condition] of Object.entries(document) as [string, unknown][]) {
      if (key === "$and" && Array.isArray(condition)) {
        for (const branch of condition) if (isPlainObject(branch)) visit(branch);
      } else if (key === "$comment") {
        continue;
      } else if (key.startsWith("$")) {
        others = true;
      } else {
        const list = byPath.get(key) ?? [];
        byPath.set(key, list);
        for (const [operator, operand] of conditionsOf(condition)) {
          if (operator === "$options") continue;
          list.push({ operator, operand, bounds: boundsOf(operator, operand, condition) });
        }
      }
    }
  };
  visit(filter);
  return { byPath, others };
}

/** Whether every document that the filter can match has a key in the index. */
function covers(index: IndexSpec, { byPath }: Conditions): boolean {
  if (index.partial !== undefined) {
    const implied = Object.entries(index.partial.filter).every(([path, wanted]) =>
      implies(byPath.get(path), path, wanted, index),
    );
    if (!implied) return false;
  }
  if (!index.sparse) return true;
  return index.fields.some((field) => (byPath.get(field.path) ?? []).some(excludesNull));
}

function excludesNull({ operator, operand, bounds }: Condition): boolean {
  if (operator === "$exists") return operand === true || (numberOf(operand) ?? 0) !== 0;
  return bounds !== undefined && bounds.ranges.every(({ lower }) => lower.key[0] !== 0x0a);
}

function implies(
  conditions: readonly Condition[] | undefined,
  path: string,
  wanted: unknown,
  index: IndexSpec,
): boolean {
  const given = conditions ?? [];
  const { partial } = index;
  const alone = partial !== undefined && Object.keys(partial.filter).length === 1;
  return conditionsOf(wanted).every(([operator, operand]) => {
    if (operator === "$exists" && operand === true) return given.some(excludesNull);
    if (given.some((condition) => condition.operator === operator && sameValue(condition.operand, operand)))
      return true;
    // `{status: "open"}` implies `{status: {$in: [...]}}` if the one value passes the whole of it.
    const equality = given.find((condition) => condition.operator === "$eq");
    return alone && !path.includes(".") && equality !== undefined && partial.matches({ [path]: equality.operand });
  });
}

function sameValue(a: unknown, b: unknown): boolean {
  const left = boundsOf("$eq", a, a)?.ranges[0]?.lower.key;
  const right = boundsOf("$eq", b, b)?.ranges[0]?.lower.key;
  return left !== undefined && right !== undefined && left.equals(right);
}

/** The bounds of one field from all its conditions; an index with arrays can use only one of them. */
function fieldBounds(conditions: readonly Condition[], multikey: boolean): FieldBounds | undefined {
  const bounded = conditions.map(({ bounds }) => bounds).filter((bounds) => bounds !== undefined);
  const [first] = bounded;
  if (first === undefined) return undefined;
  if (multikey) {
    const points = bounded.find(({ ranges }) => ranges.every(isPoint));
    return { ranges: (points ?? first).ranges, exact: false };
  }
  const all = bounded.reduce(intersect);
  return { ranges: all.ranges, exact: all.exact && bounded.length === conditions.length };
}

function planFor(index: IndexSpec, { byPath, others }: Conditions, sort: readonly SortField[]): Plan {
  let prefixes: Buffer[] = [indexPrefix(index)];
  let intervals: Interval[] | undefined;
  let bounded = 0;
  const exactPaths = new Set<string>();
  const fixed = new Set<string>();
  for (const field of index.fields) {
    const bounds = fieldBounds(byPath.get(field.path) ?? [], index.multikey);
    if (bounds === undefined || prefixes.length * bounds.ranges.length > maxIntervals) break;
    if (bounds.exact) exactPaths.add(field.path);
    if (bounds.ranges.every(isPoint)) {
      bounded += 1;
      if (bounds.ranges.length === 1) fixed.add(field.path);
      prefixes = prefixes.flatMap((prefix) => bounds.ranges.map(({ lower }) => joined(prefix, field, lower.key)));
      continue;
    }
    bounded += 0.5;
    intervals = prefixes.flatMap((prefix) => bounds.ranges.flatMap((range) => intervalOf(prefix, field, range)));
    break;
  }
  intervals ??= prefixes.flatMap((prefix) => interval(prefix, after(prefix)));
  intervals.sort((a, b) => Buffer.compare(a.start, b.start));
  // Whatever the number of stretches, read in order they give the order of the index.
  const direction = sortDirection(index, fixed, sort);
  return {
    index,
    intervals,
    reverse: direction === -1,
    exact: !others && !index.multikey && [...byPath.keys()].every((path) => exactPaths.has(path)),
    sorted: direction !== undefined,
    bounded,
  };
}

/** 1 or -1: the index gives the order asked for when read that way. undefined: it does not. */
function sortDirection(index: IndexSpec, fixed: ReadonlySet<string>, sort: readonly SortField[]): 1 | -1 | undefined {
  if (sort.length === 0) return 1;
  if (index.multikey) return undefined;
  const wanted = sort.filter(({ path }) => !fixed.has(path));
  const given = index.fields.filter(({ path }) => !fixed.has(path));
  let direction: 1 | -1 | undefined;
  for (const [i, { path, direction: asked }] of wanted.entries()) {
    const field = given[i];
    if (field === undefined || field.path !== path) return undefined;
    const here = field.direction === asked ? 1 : -1;
    if (direction !== undefined && direction !== here) return undefined;
    direction = here;
    // After _id nothing is left to order.
    if (path === "_id") break;
  }
  return direction ?? 1;
}

function inverted(key: Buffer): Buffer {
  return Buffer.from(key.map((byte) => ~byte));
}

function joined(prefix: Buffer, field: IndexField, key: Buffer): Buffer {
  return Buffer.concat([prefix, field.direction === 1 ? key : inverted(key)]);
}

function intervalOf(prefix: Buffer, field: IndexField, range: Range): readonly Interval[] {
  const [from, to] = field.direction === 1 ? [range.lower, range.upper] : [range.upper, range.lower];
  const low = joined(prefix, field, from.key);
  const high = joined(prefix, field, to.key);
  return interval(from.inclusive ? low : after(low), to.inclusive ? after(high) : high);
}

function interval(start: Buffer | undefined, end: Buffer | undefined): readonly Interval[] {
  // Neither is undefined: keys begin with an id far below FF FF FF FF.
  if (start === undefined || end === undefined || Buffer.compare(start, end) >= 0) return [];
  return [{ start, end }];
}
