/** The collections and their indexes, kept in memory and in the store's own table. */
import type { Database } from "lmdb";
import { decodeDocument, encodeDocument } from "../semantics/bson.js";
import type { Document } from "../semantics/bson.js";
import { numberOf } from "../semantics/values.js";
import { indexFields, keyPattern, partialOf } from "./index-spec.js";
import type { IndexSpec } from "./index-spec.js";

export interface Collection {
  /** `database.collection` */
  readonly namespace: string;
  /** The first four bytes of its documents' keys. Never used twice. */
  readonly id: number;
  /** The index on `_id` first. */
  readonly indexes: IndexSpec[];
}

const formatVersion = 1;
const countersKey = Buffer.from("\u0000counters");
const versionKey = Buffer.from("\u0000version");

/**
 * Changes must be made inside a write transaction of the store, which begins with `sync`: a transaction that failed has
 * left its changes here in memory, and not in the table.
 */
export class Catalog {
  readonly #table: Database<Buffer, Buffer>;
  readonly #collections = new Map<string, Collection>();
  #nextId = 1;
  /** Counts the changes, in memory and in the table. */
  #version = 0;

  constructor(table: Database<Buffer, Buffer>) {
    this.#table = table;
  }

  /** Takes the table's state where memory has another. Cheap when it has not. */
  sync(): void {
    if (this.#storedVersion() !== this.#version) this.load();
  }

  #storedVersion(): number {
    return this.#table.get(versionKey)?.readUIntBE(0, 6) ?? 0;
  }

  /** Throws when the files are of another format. */
  load(): void {
    this.#collections.clear();
    this.#nextId = 1;
    this.#version = this.#storedVersion();
    const counters = this.#table.get(countersKey);
    if (counters !== undefined) {
      const { format, nextId } = decodeDocument(counters);
      if (numberOf(format) !== formatVersion) {
        throw new Error(
          `The document store's files have format ${numberOf(format) ?? "unknown"}; this program reads ${formatVersion}. Use the version that wrote them, or another data directory.`,
        );
      }
      this.#nextId = numberOf(nextId) ?? 1;
    }
    for (const { key, value } of this.#table.getRange({ start: Buffer.from([1]) })) {
      const namespace = key.toString();
      this.#collections.set(namespace, decodeCollection(namespace, decodeDocument(value)));
    }
  }

  get(namespace: string): Collection | undefined {
    return this.#collections.get(namespace);
  }

  all(): readonly Collection[] {
    return [...this.#collections.values()];
  }

  create(namespace: string): Collection {
    const collection: Collection = {
      namespace,
      id: this.takeId(),
      indexes: [
        {
          id: this.takeId(),
          name: "_id_",
          fields: indexFields({ _id: 1 }),
          unique: true,
          sparse: false,
          partial: undefined,
          expireAfterSeconds: undefined,
          multikey: false,
        },
      ],
    };
    this.#collections.set(namespace, collection);
    this.save(collection);
    return collection;
  }

  takeId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#write(countersKey, { format: formatVersion, nextId: this.#nextId });
    return id;
  }

  save(collection: Collection): void {
    this.#write(Buffer.from(collection.namespace), {
      id: collection.id,
      indexes: collection.indexes.map((index) => ({
        id: index.id,
        name: index.name,
        key: keyPattern(index),
        unique: index.unique,
        sparse: index.sparse,
        multikey: index.multikey,
        ...(index.partial === undefined ? {} : { partial: index.partial.filter }),
        ...(index.expireAfterSeconds === undefined ? {} : { expireAfterSeconds: index.expireAfterSeconds }),
      })),
    });
  }

  /** The caller has made room at the new name. */
  rename(collection: Collection, namespace: string): void {
    this.remove(collection);
    const renamed: Collection = { ...collection, namespace };
    this.#collections.set(namespace, renamed);
    this.save(renamed);
  }

  remove(collection: Collection): void {
    this.#collections.delete(collection.namespace);
    this.#table.removeSync(Buffer.from(collection.namespace));
    this.#countChange();
  }

  #write(key: Buffer, value: Document): void {
    this.#table.putSync(key, encodeDocument(value));
    this.#countChange();
  }

  #countChange(): void {
    this.#version += 1;
    const version = Buffer.alloc(6);
    version.writeUIntBE(this.#version, 0, 6);
    this.#table.putSync(versionKey, version);
  }
}

function decodeCollection(namespace: string, stored: Document): Collection {
  const indexes: unknown = stored["indexes"];
  return {
    namespace,
    id: numberOf(stored["id"]) ?? 0,
    indexes: Array.isArray(indexes) ? indexes.map((index: Document) => decodeIndex(index)) : [],
  };
}

function decodeIndex(stored: Document): IndexSpec {
  const key = Object.entries(stored["key"] as Document).map(([path, direction]): [string, number] => [
    path,
    numberOf(direction) ?? 1,
  ]);
  return {
    id: numberOf(stored["id"]) ?? 0,
    name: String(stored["name"]),
    fields: indexFields(Object.fromEntries(key)),
    unique: stored["unique"] === true,
    sparse: stored["sparse"] === true,
    multikey: stored["multikey"] === true,
    partial: partialOf(stored["partial"] as Document | undefined),
    expireAfterSeconds: numberOf(stored["expireAfterSeconds"]),
  };
}
