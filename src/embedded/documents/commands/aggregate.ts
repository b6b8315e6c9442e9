/**
 * aggregate: the leading stages that a query can answer (`$match`, `$sort`, `$skip`, `$limit`) go through the indexes and
 * keep every type; the rest is mingo's.
 */
import { decodePromoted, encodeDocument } from "../semantics/bson.js";
import type { Document } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { checkStages, runStages } from "../semantics/pipeline.js";
import { isPlainObject, numberOf } from "../semantics/values.js";
import { prepareNamed } from "../storage/query.js";
import type { PreparedQuery, Query } from "../storage/query.js";
import type { SortField } from "../storage/planner.js";
import type { Store } from "../storage/store.js";
import { countOf, documentOf, documentsOf, namespaceOf, required, sortOf, textOf } from "./arguments.js";
import { cursorReply } from "./command.js";
import type { Command } from "./command.js";

export interface SplitPipeline {
  readonly query: Query;
  readonly rest: readonly Document[];
}

/** Takes the stages off the front that make one query. */
export function splitPipeline(pipeline: readonly Document[], hint: unknown): SplitPipeline {
  const filters: Document[] = [];
  const query: { sort?: readonly SortField[]; skip?: number; limit?: number } = {};
  let taken = 0;
  // Each stage belongs to the query only as long as none that comes later in a query's own order was taken.
  let order = 0;
  for (const stage of pipeline) {
    const [name = ""] = Object.keys(stage);
    if (name === "$match" && order === 0) {
      filters.push(required(documentOf(stage, "$match"), "$match", "filter"));
    } else if (name === "$sort" && order < 1) {
      query.sort = sortOf(stage, "$sort");
      order = 1;
    } else if (name === "$skip" && order < 2) {
      query.skip = countOf(stage, "$skip") ?? 0;
      order = 2;
    } else if (name === "$limit" && order < 3) {
      const limit = countOf(stage, "$limit") ?? 0;
      if (limit === 0) throw new CommandError(15958, "the limit must be positive");
      query.limit = limit;
      order = 3;
    } else {
      break;
    }
    taken += 1;
  }
  const [only = {}] = filters;
  return {
    query: { ...query, hint, filter: filters.length > 1 ? { $and: filters } : only },
    rest: pipeline.slice(taken),
  };
}

/** `{$group: {_id: <constant>, n: {$sum: 1}}}`, what the drivers' countDocuments sends: the name of its field. */
function countField(rest: readonly Document[]): { readonly name: string; readonly id: unknown } | undefined {
  const group: unknown = rest.length === 1 ? rest[0]?.["$group"] : undefined;
  if (!isPlainObject(group)) return undefined;
  const { _id: id, ...fields } = group;
  const [[name, sum] = ["", undefined], ...more] = Object.entries(fields);
  const constant = id === null || numberOf(id) !== undefined;
  if (!constant || more.length > 0 || !isPlainObject(sum) || Object.keys(sum).length !== 1) return undefined;
  return numberOf(sum["$sum"]) === 1 ? { name, id } : undefined;
}

function readCollection(store: Store, database: string): (name: string) => Document[] {
  return (name) => {
    const found = prepareNamed(store, `${database}.${name}`, { filter: {} })?.run() ?? [];
    return [...found].map(({ bytes }) => decodePromoted(bytes));
  };
}

function* results(
  store: Store,
  database: string,
  prepared: PreparedQuery | undefined,
  rest: readonly Document[],
): Generator<Buffer> {
  if (rest.length === 0) {
    if (prepared !== undefined) for (const { bytes } of prepared.run()) yield bytes;
    return;
  }
  const counted = countField(rest);
  if (counted !== undefined) {
    const n = prepared?.count() ?? 0;
    if (n > 0) yield encodeDocument({ _id: counted.id, [counted.name]: n });
    return;
  }
  const documents = prepared === undefined ? [] : [...prepared.run()].map(({ bytes }) => decodePromoted(bytes));
  for (const document of runStages(documents, rest, readCollection(store, database))) yield encodeDocument(document);
}

export const aggregate: Command = {
  fields: new Set(["pipeline", "cursor", "allowDiskUse", "hint", "bypassDocumentValidation"]),
  run({ store, cursors }, { body }) {
    const database = textOf(body, "$db");
    const pipeline = required(documentsOf(body, "pipeline"), "aggregate", "pipeline");
    checkStages(pipeline);
    const cursor = documentOf(body, "cursor");
    if (cursor === undefined) {
      throw new CommandError(9, "The 'cursor' option is required, except for aggregate with the explain argument");
    }
    const size = countOf(cursor, "batchSize") ?? 101;
    store.beginRead();
    if (numberOf(body["aggregate"]) === 1) {
      if (pipeline[0]?.["$documents"] === undefined) {
        throw new CommandError(73, "{aggregate: 1} is not valid for this pipeline; name a collection");
      }
      const namespace = `${database}.$cmd.aggregate`;
      const batch = cursors.open(namespace, results(store, database, undefined, pipeline), size);
      return cursorReply("firstBatch", batch.documents, batch.id, namespace);
    }
    const namespace = namespaceOf(body, "aggregate");
    const { query, rest } = splitPipeline(pipeline, body["hint"]);
    const prepared = prepareNamed(store, namespace, query);
    const batch = cursors.open(namespace, results(store, database, prepared, rest), size);
    return cursorReply("firstBatch", batch.documents, batch.id, namespace);
  },
};
