/** From a document to its keys in an index. */
import { bsonType, findElement, forEachElement, RawDocument } from "../semantics/bson.js";
import type { RawValue } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { emptyArrayKey, KeyWriter, nullKey } from "../semantics/key.js";
import { isIndex } from "../semantics/paths.js";
import type { IndexField, IndexSpec } from "./index-spec.js";

export interface IndexEntries {
  /** The encoded fields, without the index's id in front and the record's behind; none when the index leaves the document out. */
  readonly keys: readonly Buffer[];
  readonly multikey: boolean;
}

/** A document with more keys than this in one index is refused. */
const maxKeys = 10_000;

type Found = RawValue | "null" | "emptyArray";

interface Collected {
  readonly values: Found[];
  exists: boolean;
  multikey: boolean;
}

export function indexEntries(index: IndexSpec, document: Buffer): IndexEntries {
  if (index.partial !== undefined && !index.partial.matches(new RawDocument(document))) {
    return { keys: [], multikey: false };
  }
  const collected = index.fields.map((field) => {
    const into: Collected = { values: [], exists: false, multikey: false };
    collect(document, 0, field.segments, 0, into);
    return into;
  });
  if (index.sparse && !collected.some((field) => field.exists)) return { keys: [], multikey: false };
  refuseParallelArrays(index, collected);
  const writer = new KeyWriter();
  let keys: Buffer[] = [Buffer.alloc(0)];
  for (const [i, field] of index.fields.entries()) {
    const values = collected[i]?.values ?? [];
    if (keys.length * values.length > maxKeys) {
      throw new CommandError(17280, `the document has more than ${maxKeys} keys for the index ${index.name}`);
    }
    keys = keys.flatMap((prefix) => values.map((value) => appendField(writer, prefix, field, value)));
  }
  const multikey = collected.some((field) => field.multikey);
  return { keys: multikey ? distinct(keys) : keys, multikey };
}

function appendField(writer: KeyWriter, prefix: Buffer, field: IndexField, value: Found): Buffer {
  writer.reset().bytes(prefix);
  const from = writer.length;
  if (value === "null") writer.bytes(nullKey);
  else if (value === "emptyArray") writer.bytes(emptyArrayKey);
  else writer.value(value);
  if (field.direction === -1) writer.invert(from);
  return writer.take();
}

function distinct(keys: readonly Buffer[]): readonly Buffer[] {
  return [...new Map(keys.map((key) => [key.toString("latin1"), key])).values()];
}

/** Two fields may share one array (`a.b` and `a.c`), never have one each: the keys would be their product. */
function refuseParallelArrays(index: IndexSpec, collected: readonly Collected[]): void {
  const arrays = index.fields.filter((_field, i) => collected[i]?.multikey === true);
  const roots = new Set(arrays.map((field) => field.segments[0]));
  if (roots.size > 1) {
    throw new CommandError(171, `cannot index parallel arrays [${arrays.map((field) => field.path).join("] [")}]`);
  }
}

/** Must find at least every value that a query's path can lead to (see visitPath): more keys only cost, fewer lose documents. */
function collect(bytes: Buffer, start: number, path: readonly string[], depth: number, into: Collected): void {
  const name = path[depth];
  const element = name === undefined ? undefined : findElement(bytes, start, name);
  if (element === undefined) into.values.push("null");
  else collectValue(element, path, depth + 1, into);
}

function collectValue(value: RawValue, path: readonly string[], depth: number, into: Collected): void {
  const name = path[depth];
  if (value.type === bsonType.array) {
    collectArray(value, path, depth, into);
  } else if (name === undefined) {
    into.values.push(value);
    into.exists = true;
  } else if (value.type === bsonType.object) {
    collect(value.bytes, value.start, path, depth, into);
  } else {
    into.values.push("null");
  }
}

function collectArray(array: RawValue, path: readonly string[], depth: number, into: Collected): void {
  const name = path[depth];
  let items = 0;
  into.multikey = true;
  into.exists ||= name === undefined;
  forEachElement(array.bytes, array.start, (type, _nameStart, _nameEnd, start, end) => {
    const item: RawValue = { type, bytes: array.bytes, start, end };
    if (name === undefined) {
      into.values.push(item);
    } else {
      if (isIndex(name) && Number(name) === items) collectValue(item, path, depth + 1, into);
      if (type === bsonType.object) collect(array.bytes, start, path, depth, into);
      else into.values.push("null");
    }
    items += 1;
  });
  if (items === 0) into.values.push(name === undefined ? "emptyArray" : "null");
}
