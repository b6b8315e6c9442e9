/** Dotted paths into documents, with the way that queries look through arrays. */
import { RawDocument } from "./bson.js";
import { isPlainObject, missing } from "./values.js";
import type { PlainObject } from "./values.js";

export type Fields = RawDocument | PlainObject;

const digits = /^\d+$/;

export function isIndex(segment: string): boolean {
  return digits.test(segment);
}

function fieldOf(fields: Fields, name: string): unknown {
  if (fields instanceof RawDocument) return fields.get(name);
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/**
 * Calls `visit` with each value that the path leads to, arrays whole; `missing` for each object that has no such field.
 * Stops when `visit` returns true, and returns whether it did.
 */
export function visitPath(
  fields: Fields,
  path: readonly string[],
  visit: (value: unknown) => boolean,
  depth = 0,
): boolean {
  const name = path[depth];
  if (name === undefined) return visit(fields);
  const value = fieldOf(fields, name);
  if (value === undefined) return visit(missing);
  return descend(value, path, depth + 1, visit);
}

function descend(value: unknown, path: readonly string[], depth: number, visit: (value: unknown) => boolean): boolean {
  const name = path[depth];
  if (name === undefined) return visit(value);
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    if (isIndex(name)) {
      const item = items[Number(name)];
      if (item !== undefined && descend(item, path, depth + 1, visit)) return true;
    }
    return items.some((item) => isPlainObject(item) && visitPath(item, path, visit, depth));
  }
  if (isPlainObject(value)) return visitPath(value, path, visit, depth);
  return visit(missing);
}

/** The value at a path, arrays taken by index only; undefined when there is none. */
export function getPath(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const name of path) {
    if (Array.isArray(value)) value = isIndex(name) ? value[Number(name)] : undefined;
    else if (isPlainObject(value) && Object.hasOwn(value, name)) value = value[name];
    else return undefined;
  }
  return value;
}
