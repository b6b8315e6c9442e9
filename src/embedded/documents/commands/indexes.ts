/** createIndexes, dropIndexes, listIndexes */
import { EJSON } from "bson";
import { encodeDocument } from "../semantics/bson.js";
import type { Document } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { isPlainObject, numberOf } from "../semantics/values.js";
import type { Collection } from "../storage/catalog.js";
import { indexFields, keyPattern, maxIndexes, maxIndexFields, partialOf } from "../storage/index-spec.js";
import type { IndexSpec } from "../storage/index-spec.js";
import type { Store } from "../storage/store.js";
import { buildIndex, removeIndex } from "../storage/writer.js";
import { countOf, documentOf, documentsOf, flagOf, namespaceOf, required, textOf } from "./arguments.js";
import { cursorReply, ok } from "./command.js";
import type { Command } from "./command.js";
import { collectionFor } from "./write.js";

/** Options that change nothing here: there is one version, and an index is built before the command is answered. */
const harmless = new Set(["v", "background", "ns"]);
const options = new Set(["key", "name", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds"]);

type NewIndex = Omit<IndexSpec, "id">;

function newIndexOf(spec: Document): NewIndex {
  for (const [option, value] of Object.entries(spec) as [string, unknown][]) {
    if (options.has(option) || harmless.has(option) || value === false) continue;
    throw new CommandError(67, `the index option '${option}' is not supported by this store`);
  }
  const key = required(documentOf(spec, "key"), "createIndexes.indexes", "key");
  const directions = Object.entries(key).map(([path, value]): [string, number] => [path, directionOf(path, value)]);
  if (directions.length === 0) throw new CommandError(67, "Index keys cannot be an empty object");
  if (directions.length > maxIndexFields) {
    throw new CommandError(67, `an index has at most ${maxIndexFields} fields, not ${directions.length}`);
  }
  const sparse = flagOf(spec, "sparse");
  const partial = documentOf(spec, "partialFilterExpression");
  if (sparse && partial !== undefined) {
    throw new CommandError(67, 'cannot mix "partialFilterExpression" and "sparse" options');
  }
  const expireAfterSeconds = spec["expireAfterSeconds"] === undefined ? undefined : countOf(spec, "expireAfterSeconds");
  if (expireAfterSeconds !== undefined && directions.length > 1) {
    throw new CommandError(67, "TTL indexes are single-field indexes, compound indexes do not support TTL");
  }
  return {
    name: textOf(spec, "name"),
    fields: indexFields(Object.fromEntries(directions)),
    unique: flagOf(spec, "unique"),
    sparse,
    partial: partialOf(partial),
    expireAfterSeconds,
    multikey: false,
  };
}

function directionOf(path: string, value: unknown): number {
  if (typeof value === "string") {
    throw new CommandError(67, `the index type '${value}' of the field '${path}' is not supported by this store`);
  }
  if (path.includes("$")) throw new CommandError(67, `wildcard indexes are not supported by this store: '${path}'`);
  const direction = numberOf(value);
  if (direction === undefined || direction === 0) {
    throw new CommandError(67, "Values in the index key pattern must be numbers other than 0");
  }
  return direction;
}

function describe(index: NewIndex): Document {
  return {
    v: 2,
    key: Object.fromEntries(index.fields.map(({ path, direction }) => [path, direction])),
    name: index.name,
    ...(index.unique ? { unique: true } : {}),
    ...(index.sparse ? { sparse: true } : {}),
    ...(index.partial === undefined ? {} : { partialFilterExpression: index.partial.filter }),
    ...(index.expireAfterSeconds === undefined ? {} : { expireAfterSeconds: index.expireAfterSeconds }),
  };
}

/** As listIndexes shows it; the one on `_id` does not say that it is unique. */
function listed(index: IndexSpec): Document {
  const { unique, ...rest } = describe(index);
  return index.name === "_id_" || unique === undefined ? rest : { ...rest, unique };
}

function same(a: Document, b: Document): boolean {
  return EJSON.stringify(a) === EJSON.stringify(b);
}

/** Whether there is that index already. Throws when there is another by its name, or the same by another name. */
function isThere(collection: Collection, wanted: NewIndex): boolean {
  for (const index of collection.indexes) {
    const [there, asked] = [describe(index), describe(wanted)];
    const sameKey = same(keyPattern(index), keyPattern({ id: 0, ...wanted }));
    if (index.name === wanted.name) {
      if (index.name === "_id_" && sameKey) return true;
      if (same(there, asked)) return true;
      const [code, what] = sameKey ? ([85, "options"] as const) : ([86, "key"] as const);
      throw new CommandError(
        code,
        `An existing index has the same name as the requested index, but a different ${what}: ${index.name}`,
      );
    }
    if (!sameKey) continue;
    if (index.name === "_id_") return true;
    if (same({ ...there, name: "" }, { ...asked, name: "" }) || index.partial === undefined) {
      throw new CommandError(85, `Index already exists with a different name: ${index.name}`);
    }
  }
  return false;
}

export const createIndexes: Command = {
  fields: new Set(["indexes", "commitQuorum", "ignoreUnknownIndexOptions"]),
  run({ store }, { body }) {
    const namespace = namespaceOf(body, "createIndexes");
    const specs = required(documentsOf(body, "indexes"), "createIndexes", "indexes").map(newIndexOf);
    return store.write(() => {
      const created = store.catalog.get(namespace) === undefined;
      const collection = collectionFor(store, namespace);
      const before = collection.indexes.length;
      for (const spec of specs) {
        if (isThere(collection, spec)) continue;
        if (collection.indexes.length >= maxIndexes) {
          throw new CommandError(67, `add index fails, too many indexes for ${namespace}: at most ${maxIndexes}`);
        }
        const index: IndexSpec = { id: store.catalog.takeId(), ...spec };
        buildIndex(store, collection, index);
        collection.indexes.push(index);
        store.catalog.save(collection);
      }
      return ok({
        numIndexesBefore: before,
        numIndexesAfter: collection.indexes.length,
        createdCollectionAutomatically: created,
        ...(before === collection.indexes.length ? { note: "all indexes already exist" } : {}),
      });
    });
  },
};

function existing(store: Store, namespace: string, message: string): Collection {
  const collection = store.catalog.get(namespace);
  if (collection === undefined) throw new CommandError(26, message);
  return collection;
}

function chosen(collection: Collection, wanted: unknown): readonly IndexSpec[] {
  if (wanted === "*") return collection.indexes.filter(({ name }) => name !== "_id_");
  if (Array.isArray(wanted)) return wanted.flatMap((name: unknown) => chosen(collection, name));
  const pattern = isPlainObject(wanted)
    ? Object.fromEntries(
        Object.entries(wanted).map(([path, direction]) => [path, (numberOf(direction) ?? 1) < 0 ? -1 : 1]),
      )
    : undefined;
  const found = collection.indexes.find((index) =>
    pattern === undefined ? index.name === wanted : same(keyPattern(index), pattern),
  );
  if (found === undefined) {
    throw new CommandError(
      27,
      pattern === undefined
        ? `index not found with name [${String(wanted)}]`
        : `can't find index with key: ${JSON.stringify(pattern)}`,
    );
  }
  if (found.name === "_id_") throw new CommandError(72, "cannot drop _id index");
  return [found];
}

export const dropIndexes: Command = {
  fields: new Set(["index"]),
  run({ store }, { name, body }) {
    const namespace = namespaceOf(body, name);
    return store.write(() => {
      const collection = existing(store, namespace, `ns not found ${namespace}`);
      const before = collection.indexes.length;
      for (const index of chosen(collection, body["index"])) {
        removeIndex(store, index);
        collection.indexes.splice(collection.indexes.indexOf(index), 1);
      }
      store.catalog.save(collection);
      return ok({ nIndexesWas: before });
    });
  },
};

export const listIndexes: Command = {
  fields: new Set(["cursor"]),
  run({ store, cursors }, { body }) {
    const namespace = namespaceOf(body, "listIndexes");
    const collection = existing(store, namespace, `ns does not exist: ${namespace}`);
    const documents = collection.indexes.map((index) => encodeDocument(listed(index)));
    const batch = cursors.open(
      namespace,
      documents.values(),
      countOf(documentOf(body, "cursor") ?? {}, "batchSize") ?? Infinity,
    );
    return cursorReply("firstBatch", batch.documents, batch.id, namespace);
  },
};
