/** What the update operators do to arrays. */
import { BSONRegExp } from "bson";
import { CommandError } from "./errors.js";
import { compileFilter, elementTest } from "./filter.js";
import { getPath } from "./paths.js";
import { compare, isEqual, isPlainObject, numberOf } from "./values.js";

/** The array there is, an empty one where there is none; throws when it is something else. */
export function arrayAt(value: unknown, path: string, operator: string): unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return [...(value as readonly unknown[])];
  throw new CommandError(2, `The field '${path}' must be an array for ${operator} but is of another type`);
}

export function push(array: readonly unknown[], operand: unknown): unknown[] {
  if (!isPlainObject(operand) || !("$each" in operand)) return [...array, operand];
  const { $each: items, $position, $sort, $slice, ...unknown } = operand;
  const [other] = Object.keys(unknown);
  if (other !== undefined) throw new CommandError(2, `Unrecognized clause in $push: ${other}`);
  if (!Array.isArray(items)) throw new CommandError(2, "The argument to $each in $push must be an array");
  const result = [...array];
  const position = $position === undefined ? result.length : numberOf($position);
  if (position === undefined) throw new CommandError(2, "The value for $position must be an integer value");
  result.splice(position, 0, ...(items as readonly unknown[]));
  if ($sort !== undefined) sortItems(result, $sort);
  if ($slice === undefined) return result;
  const size = numberOf($slice);
  if (size === undefined) throw new CommandError(2, "The value for $slice must be an integer value");
  return size < 0 ? result.slice(size) : result.slice(0, size);
}

function sortItems(items: unknown[], spec: unknown): void {
  const direction = numberOf(spec);
  if (direction !== undefined) {
    items.sort((a, b) => compare(a, b) * direction);
    return;
  }
  if (!isPlainObject(spec)) throw new CommandError(2, "The $sort must be a number or a document");
  const fields = Object.entries(spec).map(([path, order]) => ({ path: path.split("."), order: numberOf(order) ?? 1 }));
  items.sort((a, b) => {
    for (const { path, order } of fields) {
      const result = compare(getPath(a, path), getPath(b, path)) * order;
      if (result !== 0) return result;
    }
    return 0;
  });
}

export function addToSet(array: readonly unknown[], operand: unknown): unknown[] {
  const each = isPlainObject(operand) && "$each" in operand ? operand["$each"] : [operand];
  if (!Array.isArray(each)) throw new CommandError(14, "The argument to $each in $addToSet must be an array");
  const result = [...array];
  for (const item of each as readonly unknown[]) {
    if (!result.some((present) => isEqual(present, item))) result.push(item);
  }
  return result;
}

/** `$pull` takes a value, a pattern, operators on the item, or a filter on items that are objects. */
export function pull(array: readonly unknown[], operand: unknown): unknown[] {
  if (operand instanceof BSONRegExp) {
    const matches = compileFilter({ v: operand });
    return array.filter((item) => !matches({ v: item }));
  }
  if (isPlainObject(operand)) {
    const test = elementTest(operand, 0);
    return array.filter((item) => !test(item));
  }
  return array.filter((item) => !isEqual(item, operand));
}

export function pullAll(array: readonly unknown[], operand: unknown): unknown[] {
  if (!Array.isArray(operand)) throw new CommandError(2, "$pullAll requires an array argument");
  return array.filter((item) => !operand.some((unwanted: unknown) => isEqual(item, unwanted)));
}

export function pop(array: readonly unknown[], operand: unknown): unknown[] {
  const end = numberOf(operand);
  if (end !== 1 && end !== -1) throw new CommandError(9, "$pop expects 1 or -1");
  return end === 1 ? array.slice(0, -1) : array.slice(1);
}
