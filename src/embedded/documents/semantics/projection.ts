/** Which fields of a document come back. Plain inclusion and exclusion keep every type; computed fields are mingo's. */
import { find } from "mingo";
import { buildDocument, decodeDocument, decodePromoted, encodeDocument, forEachElement } from "./bson.js";
import type { Document, NamedRawValue } from "./bson.js";
import { CommandError } from "./errors.js";
import { mingoOptions, promoted, withMingo } from "./expression.js";
import { isPlainObject, numberOf } from "./values.js";

export type Projection = (document: Buffer) => Buffer;

/** What a projection says of a field: true or false for all of it, or a tree of what it says of its fields. */
interface Tree {
  readonly [name: string]: boolean | Tree;
}

export function compileProjection(spec: Document | undefined): Projection {
  const entries: [string, unknown][] = Object.entries(spec ?? {});
  if (spec === undefined || entries.length === 0) return (document) => document;
  for (const [path] of entries) {
    if (path.endsWith(".$")) throw new CommandError(238, `the positional projection '${path}' is not supported`);
  }
  if (entries.some(([, value]) => flagOf(value) === undefined)) return computed(spec);
  const inclusive = modeOf(entries);
  const id = flagOf(spec["_id"]) ?? inclusive;
  const rest = entries.filter(([path]) => path !== "_id");
  if (inclusive && rest.every(([path]) => !path.includes("."))) {
    return topLevel(new Set(rest.map(([path]) => path)), id || "_id" in spec ? id : true);
  }
  const tree = treeOf(rest, inclusive);
  const withId = "_id" in spec ? id : true;
  return (document) => {
    const { _id, ...fields } = decodeDocument(document);
    const chosen = inclusive ? include(fields, tree) : exclude(fields, tree);
    return encodeDocument(withId && _id !== undefined ? { _id, ...chosen } : chosen);
  };
}

function flagOf(value: unknown): boolean | undefined {
  if (typeof value === "boolean") return value;
  const number = numberOf(value);
  return number === undefined ? undefined : number !== 0;
}

function modeOf(entries: readonly [string, unknown][]): boolean {
  const flags = entries
    .filter(([path]) => path !== "_id")
    .map(([path, value]) => ({ path, flag: flagOf(value) === true }));
  const [first] = flags;
  if (first === undefined) return flagOf(entries[0]?.[1]) === true;
  const other = flags.find(({ flag }) => flag !== first.flag);
  if (other !== undefined) {
    const [kind, mode] = other.flag ? ["inclusion", "exclusion"] : ["exclusion", "inclusion"];
    throw new CommandError(2, `Cannot do ${kind} on field ${other.path} in ${mode} projection`);
  }
  return first.flag;
}

/** The usual projection, without decoding anything. */
function topLevel(names: ReadonlySet<string>, withId: boolean): Projection {
  return (bytes) => {
    const chosen: NamedRawValue[] = [];
    forEachElement(bytes, 0, (type, nameStart, nameEnd, start, end) => {
      const name = bytes.toString("utf8", nameStart, nameEnd);
      if (name === "_id" ? withId : names.has(name)) chosen.push({ name, value: { type, bytes, start, end } });
    });
    return buildDocument(chosen);
  };
}

function treeOf(entries: readonly [string, unknown][], inclusive: boolean): Tree {
  const root: Record<string, boolean | Tree> = {};
  for (const [path] of entries) {
    const segments = path.split(".");
    const last = segments.pop() ?? "";
    let node = root;
    for (const segment of segments) {
      const next = node[segment];
      if (typeof next === "boolean") throw new CommandError(2, `Path collision at ${path}`);
      const child: Record<string, boolean | Tree> = { ...next };
      node[segment] = child;
      node = child;
    }
    if (typeof node[last] === "object") throw new CommandError(2, `Path collision at ${path}`);
    node[last] = inclusive;
  }
  return root;
}

function include(fields: Readonly<Record<string, unknown>>, tree: Tree): Document {
  const chosen: Document = {};
  for (const [name, value] of Object.entries(fields)) {
    const wanted = tree[name];
    if (wanted === true) chosen[name] = value;
    else if (typeof wanted === "object") {
      const inner = within(value, (item) => include(item, wanted), true);
      if (inner !== undefined) chosen[name] = inner;
    }
  }
  return chosen;
}

function exclude(fields: Readonly<Record<string, unknown>>, tree: Tree): Document {
  const chosen: Document = {};
  for (const [name, value] of Object.entries(fields)) {
    const unwanted = tree[name];
    if (unwanted === undefined) chosen[name] = value;
    else if (typeof unwanted === "object") chosen[name] = within(value, (item) => exclude(item, unwanted), false);
  }
  return chosen;
}

function within(value: unknown, choose: (item: Record<string, unknown>) => Document, dropScalars: boolean): unknown {
  if (isPlainObject(value)) return choose(value);
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => within(item, choose, dropScalars));
    return items.filter((item) => item !== undefined);
  }
  return dropScalars ? undefined : value;
}

/** `$slice`, `$elemMatch`, expressions: on values as JavaScript sees them. */
function computed(spec: Document): Projection {
  const projection = promoted(spec) as Document;
  return (document) =>
    withMingo(() => {
      const [result] = find<Document>([decodePromoted(document)], {}, projection, mingoOptions).all();
      return encodeDocument(result ?? {});
    });
}
