/** insert, update, delete: many statements in one command, in one commit, each with its own outcome. */
import { ObjectId } from "bson";
import {
  bsonType,
  buildDocument,
  decodeDocument,
  encodeDocument,
  findElement,
  forEachElement,
  maxDocumentBytes,
  rawValueOf,
} from "../semantics/bson.js";
import type { Document, NamedRawValue } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { asCommandError } from "../semantics/expression.js";
import { compileUpdate, documentFromFilter, isReplacement } from "../semantics/update.js";
import type { Update } from "../semantics/update.js";
import type { Collection } from "../storage/catalog.js";
import { prepareNamed } from "../storage/query.js";
import type { Found } from "../storage/scan.js";
import type { Store } from "../storage/store.js";
import { insertDocument, removeDocument, replaceDocument } from "../storage/writer.js";
import { checkFields, countOf, documentOf, documentsOf, flagOf, namespaceOf, required, sortOf } from "./arguments.js";
import { ok } from "./command.js";
import type { Command } from "./command.js";

/** As the real server announces it in `hello`. */
export const maxWriteBatchSize = 100_000;

type WriteError = Document & { readonly index: number };

/** Runs the statements in turn; the first that fails ends an ordered run. Anything but a CommandError undoes the command. */
function runStatements<T>(
  statements: readonly T[],
  ordered: boolean,
  run: (statement: T, index: number) => void,
): readonly WriteError[] {
  if (statements.length === 0 || statements.length > maxWriteBatchSize) {
    throw new CommandError(
      16,
      `Write batch sizes must be between 1 and ${maxWriteBatchSize}. Got ${statements.length} operations.`,
    );
  }
  const errors: WriteError[] = [];
  for (const [index, statement] of statements.entries()) {
    try {
      run(statement, index);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      errors.push({ index, code: error.code, ...error.details, errmsg: error.message });
      if (ordered) break;
    }
  }
  return errors;
}

function withErrors(reply: Document, errors: readonly WriteError[]): Buffer {
  return ok(errors.length === 0 ? reply : { ...reply, writeErrors: errors });
}

export function collectionFor(store: Store, namespace: string): Collection {
  return store.catalog.get(namespace) ?? store.catalog.create(namespace);
}

/** The document with its `_id` in front, a new one if it has none. Throws for an `_id` that none may have. */
function withIdFirst(document: Buffer): Buffer {
  if (document.length > maxDocumentBytes) {
    throw new CommandError(
      2,
      `object to insert too large. size in bytes: ${document.length}, max size: ${maxDocumentBytes}`,
    );
  }
  const id = findElement(document, 0, "_id");
  if (
    id !== undefined &&
    (id.type === bsonType.array || id.type === bsonType.regex || id.type === bsonType.undefined)
  ) {
    throw new CommandError(2, "The '_id' value cannot be of type array, regex or undefined");
  }
  // type byte, "_id", zero
  if (id?.start === 4 + 1 + 4) return document;
  const elements: NamedRawValue[] = [{ name: "_id", value: id ?? rawValueOf(new ObjectId()) }];
  forEachElement(document, 0, (type, nameStart, nameEnd, start, end) => {
    const name = document.toString("utf8", nameStart, nameEnd);
    if (name !== "_id") elements.push({ name, value: { type, bytes: document, start, end } });
  });
  return buildDocument(elements);
}

export const insert: Command = {
  fields: new Set(["documents", "ordered", "bypassDocumentValidation"]),
  run({ store }, { body, documents }) {
    const namespace = namespaceOf(body, "insert");
    return store.write(() => {
      let n = 0;
      const errors = runStatements(documents, flagOf(body, "ordered", true), (document) => {
        insertDocument(store, collectionFor(store, namespace), withIdFirst(document));
        n += 1;
      });
      return withErrors({ n }, errors);
    });
  },
};

const updateFields = new Set(["q", "u", "multi", "upsert", "arrayFilters", "hint", "sort"]);

export interface UpdateSpec {
  readonly filter: Document;
  readonly update: Update;
  readonly upsert: boolean;
  readonly multi: boolean;
  readonly statement: Document;
}

export interface UpdateOutcome {
  matched: number;
  modified: number;
  upsertedId?: unknown;
  /** The last document touched, before and after. */
  before?: Buffer;
  after?: Buffer;
}

export function updateSpecOf(statement: Document, filter: Document, update: unknown): UpdateSpec {
  const multi = flagOf(statement, "multi");
  if (multi && isReplacement(update)) {
    throw new CommandError(9, "multi update is not supported for replacement-style update");
  }
  return {
    filter,
    update: compileUpdate(update, filter, documentsOf(statement, "arrayFilters") ?? []),
    upsert: flagOf(statement, "upsert"),
    multi,
    statement,
  };
}

/** The documents that a write is for, all known before the first is changed. */
export function targets(
  store: Store,
  namespace: string,
  filter: Document,
  statement: Document,
  multi: boolean,
): readonly Found[] {
  const query = { filter, sort: sortOf(statement), limit: multi ? 0 : 1, hint: statement["hint"] };
  return [...(prepareNamed(store, namespace, query)?.run() ?? [])];
}

export function runUpdate(store: Store, namespace: string, spec: UpdateSpec): UpdateOutcome {
  const found = targets(store, namespace, spec.filter, spec.statement, spec.multi);
  if (found.length === 0 && spec.upsert) return upsert(store, namespace, spec);
  const outcome: UpdateOutcome = { matched: 0, modified: 0 };
  const context = { inserting: false, now: new Date() };
  for (const { record, bytes } of found) {
    const after = encodeDocument(spec.update(decodeDocument(bytes), context));
    outcome.matched += 1;
    outcome.before = bytes;
    outcome.after = after;
    if (after.equals(bytes)) continue;
    replaceDocument(store, collectionFor(store, namespace), record, bytes, after);
    outcome.modified += 1;
  }
  return outcome;
}

function upsert(store: Store, namespace: string, spec: UpdateSpec): UpdateOutcome {
  const updated = spec.update(documentFromFilter(spec.filter), { inserting: true, now: new Date() });
  const after = withIdFirst(encodeDocument(updated));
  insertDocument(store, collectionFor(store, namespace), after);
  return { matched: 0, modified: 0, upsertedId: decodeDocument(after)["_id"], after };
}

export const update: Command = {
  fields: new Set(["updates", "ordered", "bypassDocumentValidation"]),
  run({ store }, { body }) {
    const namespace = namespaceOf(body, "update");
    const statements = required(documentsOf(body, "updates"), "update", "updates");
    return store.write(() => {
      const upserted: Document[] = [];
      let n = 0;
      let nModified = 0;
      const errors = runStatements(statements, flagOf(body, "ordered", true), (statement, index) => {
        checkFields("update.updates", statement, updateFields);
        const filter = required(documentOf(statement, "q"), "update.updates", "q");
        const outcome = attempt(() => runUpdate(store, namespace, updateSpecOf(statement, filter, statement["u"])));
        n += outcome.matched;
        nModified += outcome.modified;
        if (outcome.upsertedId !== undefined) {
          n += 1;
          upserted.push({ index, _id: outcome.upsertedId });
        }
      });
      return withErrors({ n, nModified, ...(upserted.length === 0 ? {} : { upserted }) }, errors);
    });
  },
};

/** bson's and mingo's own complaints about a document become the statement's error; LMDB's end the command. */
export function attempt<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Error && error.name.startsWith("BSON")) throw asCommandError(error);
    throw error;
  }
}

const deleteFields = new Set(["q", "limit", "hint"]);

export const deleteCommand: Command = {
  fields: new Set(["deletes", "ordered"]),
  run({ store }, { body }) {
    const namespace = namespaceOf(body, "delete");
    const statements = required(documentsOf(body, "deletes"), "delete", "deletes");
    return store.write(() => {
      let n = 0;
      const errors = runStatements(statements, flagOf(body, "ordered", true), (statement) => {
        checkFields("delete.deletes", statement, deleteFields);
        const filter = required(documentOf(statement, "q"), "delete.deletes", "q");
        const one = countOf(statement, "limit") === 1;
        for (const { record, bytes } of targets(store, namespace, filter, statement, !one)) {
          removeDocument(store, collectionFor(store, namespace), record, bytes);
          n += 1;
        }
      });
      return withErrors({ n }, errors);
    });
  },
};
