/** explain: which index a query goes through, and what it cost. */
import type { Document } from "../semantics/bson.js";
import { CommandError } from "../semantics/errors.js";
import { keyPattern } from "../storage/index-spec.js";
import type { Plan } from "../storage/planner.js";
import { prepareQuery } from "../storage/query.js";
import type { Query } from "../storage/query.js";
import { splitPipeline } from "./aggregate.js";
import { documentOf, documentsOf, required, sortOf, textOf } from "./arguments.js";
import { ok } from "./command.js";
import type { Command } from "./command.js";
import { queryOf } from "./find.js";

function queryOfExplained(name: string, explained: Document): Query {
  switch (name) {
    case "find":
      return queryOf(explained, "filter");
    case "count":
    case "distinct":
    case "findAndModify":
      return queryOf(explained, "query");
    case "aggregate":
      return splitPipeline(required(documentsOf(explained, "pipeline"), "aggregate", "pipeline"), explained["hint"])
        .query;
    case "update":
    case "delete": {
      const [statement = {}] = documentsOf(explained, `${name}s`) ?? [];
      return { filter: documentOf(statement, "q") ?? {}, sort: sortOf(statement), hint: statement["hint"] };
    }
    default:
      throw new CommandError(238, `explain of the command '${name}' is not supported by this store`);
  }
}

function stageOf(plan: Plan, query: Query): Document {
  const direction = plan.reverse ? "backward" : "forward";
  const { index } = plan;
  const filter = plan.exact ? {} : { filter: query.filter };
  const scan: Document =
    index === undefined
      ? { stage: "COLLSCAN", ...filter, direction }
      : {
          stage: "FETCH",
          ...filter,
          inputStage: {
            stage: "IXSCAN",
            keyPattern: keyPattern(index),
            indexName: index.name,
            isMultiKey: index.multikey,
            isUnique: index.unique,
            isSparse: index.sparse,
            isPartial: index.partial !== undefined,
            direction,
            boundedFields: Math.ceil(plan.bounded),
            intervals: plan.point === undefined ? plan.intervals.length : 1,
          },
        };
  if (plan.sorted || (query.sort ?? []).length === 0) return scan;
  const sortPattern = Object.fromEntries((query.sort ?? []).map(({ path, direction: order }) => [path, order]));
  return { stage: "SORT", sortPattern, inputStage: scan };
}

export const explain: Command = {
  fields: new Set(["verbosity"]),
  run({ store }, { body }) {
    const explained = required(documentOf(body, "explain"), "explain", "explain");
    const [name = ""] = Object.keys(explained);
    const query = queryOfExplained(name, explained);
    const namespace = `${textOf(body, "$db")}.${textOf(explained, name)}`;
    const collection = store.catalog.get(namespace);
    if (collection === undefined) {
      return ok({ queryPlanner: { namespace, winningPlan: { stage: "EOF" }, rejectedPlans: [] } });
    }
    store.beginRead();
    const prepared = prepareQuery(store, collection, query);
    const winningPlan = stageOf(prepared.plan, query);
    const queryPlanner = { namespace, parsedQuery: query.filter, winningPlan, rejectedPlans: [] };
    if (body["verbosity"] === "queryPlanner") return ok({ queryPlanner });
    const started = performance.now();
    let nReturned = 0;
    for (const _ of prepared.run()) nReturned += 1;
    return ok({
      queryPlanner,
      executionStats: {
        executionSuccess: true,
        nReturned,
        executionTimeMillis: Math.round(performance.now() - started),
        totalKeysExamined: prepared.counts.keysExamined,
        totalDocsExamined: prepared.counts.docsExamined,
      },
    });
  },
};
