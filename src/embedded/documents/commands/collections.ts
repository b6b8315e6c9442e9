/** create, drop, renameCollection, listCollections, listDatabases, dropDatabase */
import { encodeDocument } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { compileFilter } from "../semantics/filter.js";
import { removeCollection } from "../storage/writer.js";
import { countOf, documentOf, flagOf, namespaceOf, textOf } from "./arguments.js";
import { cursorReply, ok } from "./command.js";
import type { Command } from "./command.js";

function splitNamespace(namespace: string): readonly [database: string, collection: string] {
  const dot = namespace.indexOf(".");
  return [namespace.slice(0, dot), namespace.slice(dot + 1)];
}

export const create: Command = {
  fields: new Set(["idIndex", "autoIndexId"]),
  run({ store }, { body }) {
    const namespace = namespaceOf(body, "create");
    return store.write(() => {
      if (store.catalog.get(namespace) !== undefined) {
        throw new CommandError(48, `Collection ${namespace} already exists.`);
      }
      store.catalog.create(namespace);
      return ok();
    });
  },
};

export const drop: Command = {
  fields: new Set(),
  run({ store }, { body }) {
    const namespace = namespaceOf(body, "drop");
    return store.write(() => {
      const collection = store.catalog.get(namespace);
      if (collection === undefined) return ok();
      removeCollection(store, collection);
      return ok({ nIndexesWas: collection.indexes.length, ns: namespace });
    });
  },
};

export const renameCollection: Command = {
  fields: new Set(["to", "dropTarget"]),
  run({ store }, { body }) {
    const [from, to] = [textOf(body, "renameCollection"), textOf(body, "to")];
    if (splitNamespace(to)[1] === "" || !to.includes("."))
      throw new CommandError(73, `Invalid namespace specified '${to}'`);
    return store.write(() => {
      const collection = store.catalog.get(from);
      if (collection === undefined) throw new CommandError(26, `Source collection ${from} does not exist`);
      if (from === to) throw new CommandError(20, "Can't rename a collection to itself");
      const target = store.catalog.get(to);
      if (target !== undefined) {
        if (!flagOf(body, "dropTarget")) throw new CommandError(48, "target namespace exists");
        removeCollection(store, target);
      }
      store.catalog.rename(collection, to);
      return ok();
    });
  },
};

export const listCollections: Command = {
  fields: new Set(["filter", "nameOnly", "cursor", "authorizedCollections"]),
  run({ store, cursors }, { body }) {
    const database = textOf(body, "$db");
    const matches = compileFilter(documentOf(body, "filter") ?? {});
    const documents = store.catalog
      .all()
      .map(({ namespace }) => splitNamespace(namespace))
      .filter(([db]) => db === database)
      .map(([, name]) => ({
        name,
        type: "collection",
        ...(flagOf(body, "nameOnly")
          ? {}
          : { options: {}, info: { readOnly: false }, idIndex: { v: 2, key: { _id: 1 }, name: "_id_" } }),
      }))
      .filter((described) => matches(described))
      .map((described) => encodeDocument(described));
    const namespace = `${database}.$cmd.listCollections`;
    const size = countOf(documentOf(body, "cursor") ?? {}, "batchSize") ?? Infinity;
    const batch = cursors.open(namespace, documents.values(), size);
    return cursorReply("firstBatch", batch.documents, batch.id, namespace);
  },
};

export const listDatabases: Command = {
  fields: new Set(["filter", "nameOnly", "authorizedDatabases"]),
  run({ store }, { body }) {
    const matches = compileFilter(documentOf(body, "filter") ?? {});
    const names = [...new Set(store.catalog.all().map(({ namespace }) => splitNamespace(namespace)[0]))].sort();
    const databases = names
      .map((name) => (flagOf(body, "nameOnly") ? { name } : { name, sizeOnDisk: 0, empty: false }))
      .filter((described) => matches(described));
    return ok({ databases, ...(flagOf(body, "nameOnly") ? {} : { totalSize: 0 }) });
  },
};

export const dropDatabase: Command = {
  fields: new Set(),
  run({ store }, { body }) {
    const database = textOf(body, "$db");
    return store.write(() => {
      for (const collection of store.catalog.all()) {
        if (splitNamespace(collection.namespace)[0] === database) removeCollection(store, collection);
      }
      return ok({ dropped: database });
    });
  },
};
