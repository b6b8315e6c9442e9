/** Changes to documents, each with its index keys. Every function belongs inside `store.write`. */
import { decodeDocument, decodeValue, findElement, maxDocumentBytes } from "../semantics/bson.js";
import { EJSON } from "bson";
import { CommandError } from "../semantics/errors.js";
import { after } from "../semantics/key.js";
import { getPath } from "../semantics/paths.js";
import type { Collection } from "./catalog.js";
import { indexEntries } from "./index-entries.js";
import { keyPattern } from "./index-spec.js";
import type { IndexSpec } from "./index-spec.js";
import { recordIdAt, recordKey, writeRecordId } from "./store.js";
import type { Store } from "./store.js";

/** LMDB's bound for a key, bytes. */
const maxKeyBytes = 1978;

interface Change {
  readonly key: Buffer;
  readonly unique: boolean;
}

/** Throws DuplicateKey, KeyTooLong, … before it has changed anything. Returns the new record's id. */
export function insertDocument(store: Store, collection: Collection, document: Buffer): number {
  refuseTooLarge(document);
  const record = store.takeRecordId();
  const added: Change[] = [];
  for (const index of collection.indexes) {
    for (const key of entriesOf(store, collection, index, document)) {
      refuseTaken(store, collection, index, key, record, document);
      added.push({ key: entryKey(index, key, record), unique: index.unique });
    }
  }
  store.documents.putSync(recordKey(collection.id, record), document);
  for (const change of added) addEntry(store, change, record);
  return record;
}

/** As `insertDocument`; the record keeps its id. */
export function replaceDocument(
  store: Store,
  collection: Collection,
  record: number,
  before: Buffer,
  document: Buffer,
): void {
  refuseTooLarge(document);
  const added: Change[] = [];
  const removed: Buffer[] = [];
  for (const index of collection.indexes) {
    if (index.name === "_id_" || isUntouched(index, before, document)) continue; // the _id of a document never changes
    const old = indexEntries(index, before).keys;
    const now = entriesOf(store, collection, index, document);
    for (const key of now) {
      if (includesKey(old, key)) continue;
      refuseTaken(store, collection, index, key, record, document);
      added.push({ key: entryKey(index, key, record), unique: index.unique });
    }
    for (const key of old) if (!includesKey(now, key)) removed.push(entryKey(index, key, record));
  }
  store.documents.putSync(recordKey(collection.id, record), document);
  for (const key of removed) store.entries.removeSync(key);
  for (const change of added) addEntry(store, change, record);
}

/** Most updates leave most indexes alone: equal bytes have equal keys. */
function isUntouched(index: IndexSpec, before: Buffer, document: Buffer): boolean {
  if (index.partial !== undefined) return false;
  return index.fields.every(({ segments: [field = ""] }) => {
    const old = findElement(before, 0, field);
    const now = findElement(document, 0, field);
    if (old === undefined || now === undefined) return old === now;
    return old.type === now.type && before.compare(document, now.start, now.end, old.start, old.end) === 0;
  });
}

export function removeDocument(store: Store, collection: Collection, record: number, document: Buffer): void {
  for (const index of collection.indexes) {
    for (const key of indexEntries(index, document).keys) store.entries.removeSync(entryKey(index, key, record));
  }
  store.documents.removeSync(recordKey(collection.id, record));
}

/** Gives a new index the keys of the documents that are there. Throws DuplicateKey when they cannot all be in it. */
export function buildIndex(store: Store, collection: Collection, index: IndexSpec): void {
  const end = recordKey(collection.id + 1, 0);
  for (const { key, value } of store.documents.getRange({ start: recordKey(collection.id, 0), end })) {
    const record = recordIdAt(key, 4);
    for (const entry of entriesOf(store, collection, index, value)) {
      refuseTaken(store, collection, index, entry, record, value);
      addEntry(store, { key: entryKey(index, entry, record), unique: index.unique }, record);
    }
  }
}

export function removeIndex(store: Store, index: IndexSpec): void {
  removeRange(store, "entries", index.id);
}

export function removeCollection(store: Store, collection: Collection): void {
  for (const index of collection.indexes) removeIndex(store, index);
  removeRange(store, "documents", collection.id);
  store.catalog.remove(collection);
}

function removeRange(store: Store, table: "entries" | "documents", id: number): void {
  const start = Buffer.alloc(4);
  start.writeUInt32BE(id);
  const end = after(start);
  if (end === undefined) return;
  for (;;) {
    const keys = [...store[table].getKeys({ start, end, limit: 10_000 })];
    if (keys.length === 0) return;
    for (const key of keys) store[table].removeSync(key);
  }
}

function entriesOf(store: Store, collection: Collection, index: IndexSpec, document: Buffer): readonly Buffer[] {
  const { keys, multikey } = indexEntries(index, document);
  if (multikey && !index.multikey) {
    index.multikey = true;
    store.catalog.save(collection);
  }
  return keys;
}

function includesKey(keys: readonly Buffer[], key: Buffer): boolean {
  return keys.some((other) => other.equals(key));
}

export function indexPrefix(index: IndexSpec): Buffer {
  const prefix = Buffer.allocUnsafe(4);
  prefix.writeUInt32BE(index.id);
  return prefix;
}

function entryKey(index: IndexSpec, fields: Buffer, record: number): Buffer {
  const size = 4 + fields.length + (index.unique ? 0 : 8);
  if (size > maxKeyBytes) {
    throw new CommandError(
      17280,
      `the key of ${size} bytes is too large for the index ${index.name}, which takes ${maxKeyBytes}; index a shorter field`,
    );
  }
  const key = Buffer.allocUnsafe(size);
  key.writeUInt32BE(index.id, 0);
  fields.copy(key, 4);
  if (!index.unique) writeRecordId(key, record, 4 + fields.length);
  return key;
}

const nothing = Buffer.alloc(0);

function addEntry(store: Store, { key, unique }: Change, record: number): void {
  if (!unique) {
    store.entries.putSync(key, nothing);
    return;
  }
  const value = Buffer.allocUnsafe(8);
  writeRecordId(value, record, 0);
  store.entries.putSync(key, value);
}

function refuseTaken(
  store: Store,
  collection: Collection,
  index: IndexSpec,
  key: Buffer,
  record: number,
  document: Buffer,
): void {
  if (!index.unique) return;
  const taken = store.entries.get(entryKey(index, key, record));
  if (taken !== undefined && recordIdAt(taken, 0) !== record) throw duplicateKey(collection, index, document);
}

function duplicateKey(collection: Collection, index: IndexSpec, document: Buffer): CommandError {
  const decoded = index.name === "_id_" ? { _id: idOf(document) } : decodeDocument(document);
  const values = index.fields.map(({ path, segments }): [string, unknown] => [
    path,
    getPath(decoded, segments) ?? null,
  ]);
  const shown = values.map(([path, value]) => `${path}: ${EJSON.stringify(value)}`).join(", ");
  return new CommandError(
    11000,
    `E11000 duplicate key error collection: ${collection.namespace} index: ${index.name} dup key: { ${shown} }`,
    { keyPattern: keyPattern(index), keyValue: Object.fromEntries(values) },
  );
}

function idOf(document: Buffer): unknown {
  const raw = findElement(document, 0, "_id");
  return raw === undefined ? null : decodeValue(raw);
}

function refuseTooLarge(document: Buffer): void {
  if (document.length > maxDocumentBytes) {
    throw new CommandError(10334, `the document has ${document.length} bytes; the largest has ${maxDocumentBytes}`);
  }
}
