/** find, getMore, killCursors, count, distinct */
import { Long } from "bson";
import { rawValueOf, RawDocument } from "../semantics/bson.js";
import type { Document } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { keyOf } from "../semantics/key.js";
import { visitPath } from "../semantics/paths.js";
import { compileProjection } from "../semantics/projection.js";
import { missing } from "../semantics/values.js";
import { prepareNamed } from "../storage/query.js";
import type { Query } from "../storage/query.js";
import { countOf, documentOf, flagOf, namespaceOf, sortOf, textOf } from "./arguments.js";
import { cursorReply, ok } from "./command.js";
import type { Command, CommandContext } from "./command.js";

const defaultFirstBatch = 101;

export function queryOf(body: Document, filterField: "filter" | "query"): Query {
  return {
    filter: documentOf(body, filterField) ?? {},
    sort: sortOf(body),
    skip: countOf(body, "skip") ?? 0,
    limit: countOf(body, "limit") ?? 0,
    hint: body["hint"],
  };
}

function* documentsOf(context: CommandContext, namespace: string, query: Query, body: Document): Generator<Buffer> {
  const project = compileProjection(documentOf(body, "projection"));
  const prepared = prepareNamed(context.store, namespace, query);
  if (prepared === undefined) return;
  for (const { bytes } of prepared.run()) yield project(bytes);
}

export const find: Command = {
  fields: new Set([
    "filter",
    "sort",
    "projection",
    "hint",
    "skip",
    "limit",
    "batchSize",
    "singleBatch",
    "allowDiskUse",
    "noCursorTimeout",
    "allowPartialResults",
  ]),
  run(context, { body }) {
    const namespace = namespaceOf(body, "find");
    context.store.beginRead();
    const documents = documentsOf(context, namespace, queryOf(body, "filter"), body);
    const size = countOf(body, "batchSize") ?? defaultFirstBatch;
    const batch = context.cursors.open(namespace, documents, size, flagOf(body, "singleBatch"));
    return cursorReply("firstBatch", batch.documents, batch.id, namespace);
  },
};

export const getMore: Command = {
  fields: new Set(["collection", "batchSize"]),
  run(context, { body }) {
    const id: unknown = body["getMore"];
    if (!Long.isLong(id)) throw new CommandError(14, "Field 'getMore' must be of type long in: getMore");
    const namespace = `${textOf(body, "$db")}.${textOf(body, "collection")}`;
    context.store.beginRead();
    const size = countOf(body, "batchSize");
    const batch = context.cursors.next(namespace, id.toBigInt(), size === undefined || size === 0 ? Infinity : size);
    return cursorReply("nextBatch", batch.documents, batch.id, namespace);
  },
};

export const killCursors: Command = {
  fields: new Set(["cursors"]),
  run(context, { body }) {
    const ids: unknown = body["cursors"];
    const given = Array.isArray(ids) ? ids.filter((id) => Long.isLong(id)) : [];
    const killed = given.filter((id) => context.cursors.kill(id.toBigInt()));
    return ok({
      cursorsKilled: killed,
      cursorsNotFound: given.filter((id) => !killed.includes(id)),
      cursorsAlive: [],
      cursorsUnknown: [],
    });
  },
};

export const count: Command = {
  fields: new Set(["query", "limit", "skip", "hint", "fields"]),
  run(context, { body }) {
    const namespace = namespaceOf(body, "count");
    context.store.beginRead();
    return ok({ n: prepareNamed(context.store, namespace, queryOf(body, "query"))?.count() ?? 0 });
  },
};

export const distinct: Command = {
  fields: new Set(["key", "query", "hint"]),
  run(context, { body }) {
    const namespace = namespaceOf(body, "distinct");
    const path = textOf(body, "key").split(".");
    context.store.beginRead();
    const values = new Map<string, unknown>();
    const add = (value: unknown): void => {
      if (value !== undefined) values.set(keyOf(rawValueOf(value)).toString("latin1"), value);
    };
    for (const { bytes } of prepareNamed(context.store, namespace, queryOf(body, "query"))?.run() ?? []) {
      visitPath(new RawDocument(bytes), path, (value) => {
        if (Array.isArray(value)) for (const item of value as readonly unknown[]) add(item);
        else if (value !== missing) add(value);
        return false;
      });
    }
    return ok({ values: [...values.values()] });
  },
};
