/** The paths of an update: where they lead, positional operators resolved, and how values get there. */
import type { Matcher } from "./filter.js";
import { CommandError } from "./errors.js";
import { getPath, isIndex } from "./paths.js";
import { isPlainObject } from "./values.js";
import type { PlainObject } from "./values.js";

/** An array that would grow beyond this by an index is refused. */
const maxArrayLength = 1_500_000;

export interface Positions {
  /** By the identifier of `$[identifier]`. */
  readonly arrayFilters: ReadonlyMap<string, Matcher>;
  /** The item of the array at that path which the query matched. */
  readonly matchedIndex: (document: PlainObject, path: readonly string[]) => number;
}

/** The concrete paths that one with `$`, `$[]` and `$[identifier]` stands for in this document. */
export function resolvePaths(
  document: PlainObject,
  path: readonly string[],
  positions: Positions,
): readonly (readonly string[])[] {
  const at = path.findIndex((segment) => segment.startsWith("$"));
  if (at === -1) return [path];
  const segment = path[at] ?? "";
  const before = path.slice(0, at);
  const rest = path.slice(at + 1);
  const array = getPath(document, before);
  if (!Array.isArray(array)) {
    throw new CommandError(
      2,
      `The path '${before.join(".")}' must exist in the document in order to apply array updates.`,
    );
  }
  return chosenItems(document, array, segment, before, positions).flatMap((item) =>
    resolvePaths(document, [...before, String(item), ...rest], positions),
  );
}

function chosenItems(
  document: PlainObject,
  array: readonly unknown[],
  segment: string,
  before: readonly string[],
  positions: Positions,
): readonly number[] {
  if (segment === "$") return [positions.matchedIndex(document, before)];
  const all = [...array.keys()];
  const identifier = /^\$\[(.*)\]$/.exec(segment)?.[1];
  if (identifier === undefined)
    throw new CommandError(52, `The dollar ($) prefixed field '${segment}' is not valid for storage.`);
  if (identifier === "") return all;
  const matches = positions.arrayFilters.get(identifier);
  if (matches === undefined) throw new CommandError(2, `No array filter found for identifier '${identifier}'`);
  return all.filter((i) => matches({ [identifier]: array[i] }));
}

/** Sets the value, making the objects on the way. Throws PathNotViable where something else is in the way. */
export function setPath(root: PlainObject, path: readonly string[], value: unknown): void {
  let node: unknown = root;
  for (const [i, name] of path.entries()) {
    const last = i === path.length - 1;
    if (Array.isArray(node)) {
      const items: unknown[] = node;
      if (!isIndex(name) || Number(name) > maxArrayLength) throw notViable(path, name);
      while (items.length <= Number(name)) items.push(null);
      if (last) items[Number(name)] = value;
      else if (items[Number(name)] === null) items[Number(name)] = {};
      node = items[Number(name)];
    } else if (isPlainObject(node)) {
      if (last) assign(node, name, value);
      else if (!Object.hasOwn(node, name)) assign(node, name, {});
      node = node[name];
    } else {
      throw notViable(path, name);
    }
  }
}

/** Also for a field named `__proto__`. */
function assign(target: PlainObject, name: string, value: unknown): void {
  if (name === "__proto__")
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  else target[name] = value;
}

/** Removes the field; an array keeps its length, and gets a null. */
export function unsetPath(root: PlainObject, path: readonly string[]): void {
  const parent = getPath(root, path.slice(0, -1));
  const name = path.at(-1) ?? "";
  if (Array.isArray(parent)) {
    if (isIndex(name) && Number(name) < parent.length) parent[Number(name)] = null;
  } else if (isPlainObject(parent)) {
    delete parent[name];
  }
}

function notViable(path: readonly string[], name: string): CommandError {
  return new CommandError(28, `Cannot create field '${name}' in element on the path '${path.join(".")}'`);
}

/** Refuses two changes to one path, or to a path and to one inside it. */
export function refuseConflicts(paths: readonly string[]): void {
  const sorted = paths.map((path) => `${path}.`).sort();
  for (const [i, path] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next?.startsWith(path) === true) {
      const shown = next.slice(0, -1);
      throw new CommandError(40, `Updating the path '${shown}' would create a conflict at '${path.slice(0, -1)}'`);
    }
  }
}
