/**
 * Updates: a replacement, operators, or a pipeline. The operators are written here and not left to mingo because they
 * write back: an int must stay an int and a long a long. A pipeline computes, and is mingo's.
 */
import { Timestamp } from "bson";
import { bitwise, calculate } from "./arithmetic.js";
import { addToSet, arrayAt, pop, pull, pullAll, push } from "./array-updates.js";
import { decodeDocument, decodePromoted, encodeDocument } from "./bson.js";
import type { Document } from "./bson.js";
import { CommandError } from "./errors.js";
import { compileFilter, conditionsOf } from "./filter.js";
import type { Matcher } from "./filter.js";
import { getPath } from "./paths.js";
import { runStages } from "./pipeline.js";
import { refuseConflicts, resolvePaths, setPath, unsetPath } from "./update-paths.js";
import type { Positions } from "./update-paths.js";
import { compare, isEqual, isPlainObject, numberOf } from "./values.js";
import type { PlainObject } from "./values.js";

export interface UpdateContext {
  /** The document is about to be inserted: `$setOnInsert` counts. */
  readonly inserting: boolean;
  readonly now: Date;
}

/** Gives the document as it is to be, its `_id` unchanged and in front. */
export type Update = (document: PlainObject, context: UpdateContext) => PlainObject;

const operators = new Set([
  "$set",
  "$setOnInsert",
  "$unset",
  "$inc",
  "$mul",
  "$min",
  "$max",
  "$rename",
  "$currentDate",
  "$bit",
  "$push",
  "$addToSet",
  "$pull",
  "$pullAll",
  "$pop",
]);

const pipelineStages = new Set(["$addFields", "$set", "$project", "$unset", "$replaceRoot", "$replaceWith"]);

interface Step {
  readonly operator: string;
  readonly path: readonly string[];
  readonly operand: unknown;
}

export function isReplacement(update: unknown): update is PlainObject {
  return isPlainObject(update) && !Object.keys(update).some((key) => key.startsWith("$"));
}

/** Compiles once what is then done to each document. Throws with the server's code and words for what it does not know. */
export function compileUpdate(update: unknown, filter: Document, arrayFilters: readonly Document[]): Update {
  if (Array.isArray(update)) return pipelineUpdate(update as readonly Document[]);
  if (!isPlainObject(update)) throw new CommandError(9, "an update must be a document or a pipeline");
  if (isReplacement(update)) return (document) => withId(document["_id"], update);
  return operatorUpdate(update, filter, arrayFilters);
}

function withId(id: unknown, document: PlainObject): PlainObject {
  const { _id, ...fields } = document;
  if (_id !== undefined && id !== undefined && !isEqual(_id, id)) {
    throw new CommandError(66, "After applying the update, the (immutable) field '_id' was found to have been altered");
  }
  const kept = id ?? _id;
  return kept === undefined ? fields : { _id: kept, ...fields };
}

function pipelineUpdate(stages: readonly Document[]): Update {
  for (const stage of stages) {
    const [name = ""] = Object.keys(stage);
    if (!pipelineStages.has(name)) {
      throw new CommandError(40324, `Unrecognized pipeline stage name in an update: '${name}'`);
    }
  }
  return (document) => {
    const [result] = runStages([decodePromoted(encodeDocument(document))], stages);
    return withId(document["_id"], decodeDocument(encodeDocument(result ?? {})));
  };
}

function operatorUpdate(update: PlainObject, filter: Document, arrayFilters: readonly Document[]): Update {
  const steps: Step[] = [];
  for (const [operator, fields] of Object.entries(update)) {
    if (!operators.has(operator)) {
      throw new CommandError(
        9,
        `Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`,
      );
    }
    if (!isPlainObject(fields)) {
      throw new CommandError(
        9,
        `Modifiers operate on fields but we found another type instead. For example: {${operator}: {<field>: ...}}`,
      );
    }
    for (const [path, operand] of Object.entries(fields)) steps.push({ operator, path: pathOf(path), operand });
  }
  refuseConflicts(
    steps.flatMap(({ operator, path, operand }) => [
      path.join("."),
      ...(operator === "$rename" ? [String(operand)] : []),
    ]),
  );
  const positions: Positions = {
    arrayFilters: compileArrayFilters(arrayFilters, steps),
    matchedIndex: matchedIndexBy(filter),
  };
  return (document, context) => {
    const id = document["_id"];
    for (const step of steps) {
      for (const path of resolvePaths(document, step.path, positions)) applyStep(document, path, step, context);
    }
    if (id !== undefined && (document["_id"] === undefined || !isEqual(document["_id"], id))) {
      throw new CommandError(66, "Performing an update on the path '_id' would modify the immutable field '_id'");
    }
    return document;
  };
}

function pathOf(path: string): readonly string[] {
  const segments = path.split(".");
  if (segments.includes("")) {
    throw new CommandError(2, `The update path '${path}' contains an empty field name, which is not allowed.`);
  }
  return segments;
}

function applyStep(
  document: PlainObject,
  path: readonly string[],
  { operator, operand }: Step,
  context: UpdateContext,
): void {
  const name = path.join(".");
  const current = getPath(document, path);
  const set = (value: unknown): void => setPath(document, path, value);
  switch (operator) {
    case "$set":
      return set(operand);
    case "$setOnInsert":
      return context.inserting ? set(operand) : undefined;
    case "$unset":
      return unsetPath(document, path);
    case "$inc":
      return set(numeric(operator, name, current, operand, (value) => calculate(value, "+", operand)));
    case "$mul":
      return set(
        current === undefined
          ? calculate(operand, "*", decodeDocument(encodeDocument({ v: 0 }))["v"])
          : numeric(operator, name, current, operand, (value) => calculate(value, "*", operand)),
      );
    case "$min":
      return current === undefined || compare(operand, current) < 0 ? set(operand) : undefined;
    case "$max":
      return current === undefined || compare(operand, current) > 0 ? set(operand) : undefined;
    case "$rename": {
      if (typeof operand !== "string")
        throw new CommandError(2, `The 'to' field for $rename must be a string: ${name}`);
      if (current === undefined) return;
      unsetPath(document, path);
      return setPath(document, pathOf(operand), current);
    }
    case "$currentDate":
      return set(currentDate(operand, context.now));
    case "$bit": {
      const [[operation, mask] = []] = isPlainObject(operand) ? Object.entries(operand) : [];
      if (operation !== "and" && operation !== "or" && operation !== "xor") {
        throw new CommandError(2, "The $bit modifier takes and, or, xor");
      }
      return set(bitwise(current ?? decodeDocument(encodeDocument({ v: 0 }))["v"], operation, mask));
    }
    case "$push":
      return set(push(arrayAt(current, name, operator), operand));
    case "$addToSet":
      return set(addToSet(arrayAt(current, name, operator), operand));
    case "$pull":
      return current === undefined ? undefined : set(pull(arrayAt(current, name, operator), operand));
    case "$pullAll":
      return current === undefined ? undefined : set(pullAll(arrayAt(current, name, operator), operand));
    case "$pop":
      return current === undefined ? undefined : set(pop(arrayAt(current, name, operator), operand));
    default:
      throw new CommandError(9, `Unknown modifier: ${operator}`);
  }
}

function numeric(
  operator: string,
  name: string,
  current: unknown,
  operand: unknown,
  compute: (value: unknown) => unknown,
): unknown {
  if (numberOf(operand) === undefined && !isNumberLike(operand)) {
    throw new CommandError(
      14,
      `Cannot ${operator === "$inc" ? "increment" : "multiply"} with non-numeric argument: {${name}}`,
    );
  }
  if (current === undefined) return operand;
  if (numberOf(current) === undefined && !isNumberLike(current)) {
    throw new CommandError(14, `Cannot apply ${operator} to a value of non-numeric type: the field '${name}'`);
  }
  return compute(current);
}

function isNumberLike(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    "_bsontype" in value &&
    (value._bsontype === "Long" || value._bsontype === "Decimal128")
  );
}

function currentDate(operand: unknown, now: Date): unknown {
  const type = isPlainObject(operand) ? operand["$type"] : operand === true ? "date" : undefined;
  if (type === "date") return now;
  if (type === "timestamp") return new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 });
  throw new CommandError(2, "$currentDate takes true, {$type: 'date'} or {$type: 'timestamp'}");
}

function compileArrayFilters(filters: readonly Document[], steps: readonly Step[]): ReadonlyMap<string, Matcher> {
  const compiled = new Map<string, Matcher>();
  for (const filter of filters) {
    const [first = ""] = Object.keys(filter);
    const identifier = first.startsWith("$") ? identifierOf(filter) : (first.split(".")[0] ?? "");
    if (compiled.has(identifier)) {
      throw new CommandError(9, `Found multiple array filters with the same top-level field name ${identifier}`);
    }
    if (!steps.some(({ path }) => path.includes(`$[${identifier}]`))) {
      throw new CommandError(9, `The array filter for identifier '${identifier}' was not used in the update`);
    }
    compiled.set(identifier, compileFilter(filter));
  }
  return compiled;
}

function identifierOf(filter: Document): string {
  for (const branch of Object.values(filter) as unknown[]) {
    const [inner] = Array.isArray(branch) ? (branch as readonly unknown[]) : [];
    if (isPlainObject(inner)) return (Object.keys(inner)[0] ?? "").split(".")[0] ?? "";
  }
  throw new CommandError(9, "Cannot use an expression without a top-level field name in arrayFilters");
}

/** For `$`: which item the query's conditions on that array hold for, each item tried on its own. */
function matchedIndexBy(filter: Document): Positions["matchedIndex"] {
  return (document, path) => {
    const name = path.join(".");
    const conditions = Object.entries(filter).filter(([key]) => key === name || key.startsWith(`${name}.`));
    const array = getPath(document, path);
    if (conditions.length > 0 && Array.isArray(array)) {
      const matches = compileFilter(Object.fromEntries(conditions));
      const found = array.findIndex((item: unknown) => {
        const alone: PlainObject = {};
        setPath(alone, path, [item]);
        return matches(alone);
      });
      if (found !== -1) return found;
    }
    throw new CommandError(2, "The positional operator did not find the match needed from the query.");
  };
}

/** What an upsert inserts before its update is applied: the fields that the filter says are equal to something. */
export function documentFromFilter(filter: Document): PlainObject {
  const document: PlainObject = {};
  const visit = (conditions: Document): void => {
    for (const [key, condition] of Object.entries(conditions) as [string, unknown][]) {
      if (key === "$and" && Array.isArray(condition)) {
        for (const branch of condition) if (isPlainObject(branch)) visit(branch);
      } else if (!key.startsWith("$")) {
        const equality = conditionsOf(condition).find(([operator]) => operator === "$eq");
        if (equality !== undefined) setPath(document, key.split("."), equality[1]);
      }
    }
  };
  visit(filter);
  return document;
}
