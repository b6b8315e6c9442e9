/** A query from filter to documents: planned, scanned, tested, sorted, cut. */
import type { Document } from "../semantics/bson.js";
import { compileFilter } from "../semantics/filter.js";
import type { Collection } from "./catalog.js";
import { choosePlan } from "./planner.js";
import type { Plan, SortField } from "./planner.js";
import { scan, scanRecords } from "./scan.js";
import type { Found, ScanCounts } from "./scan.js";
import { sortDocuments } from "./sort.js";
import type { Store } from "./store.js";

export interface Query {
  readonly filter: Document;
  readonly sort?: readonly SortField[];
  readonly skip?: number;
  /** 0: all. */
  readonly limit?: number;
  readonly hint?: unknown;
}

export interface PreparedQuery {
  readonly plan: Plan;
  readonly counts: ScanCounts;
  /** The documents, read as they are asked for. */
  run(): Generator<Found>;
  /** How many documents there are; without reading them where the keys say enough. */
  count(): number;
}

/** As `prepareQuery`; undefined when there is no such collection, but a filter that is wrong is refused all the same. */
export function prepareNamed(store: Store, namespace: string, query: Query): PreparedQuery | undefined {
  const collection = store.catalog.get(namespace);
  if (collection !== undefined) return prepareQuery(store, collection, query);
  compileFilter(query.filter);
  return undefined;
}

/** Plans a query. Throws what its filter, sort or hint is refused with, before anything is read. */
export function prepareQuery(store: Store, collection: Collection, query: Query): PreparedQuery {
  const { filter, sort = [], skip = 0, limit = 0, hint } = query;
  const matches = compileFilter(filter);
  const plan = choosePlan(store, collection, { filter, sort, hint });
  const counts: ScanCounts = { keysExamined: 0, docsExamined: 0 };
  const end = limit === 0 ? Infinity : skip + limit;
  return {
    plan,
    counts,
    *run() {
      const found = scan(store, collection, plan, matches, counts);
      const ordered: Iterable<Found> = plan.sorted ? found : sortDocuments(found, sort, end);
      let position = 0;
      for (const document of ordered) {
        position += 1;
        if (position > skip) yield document;
        if (position >= end) return;
      }
    },
    count() {
      const items =
        plan.exact && plan.index !== undefined
          ? scanRecords(store, plan, counts)
          : scan(store, collection, plan, matches, counts);
      let count = 0;
      for (const _ of items) {
        count += 1;
        if (count >= end) break;
      }
      return Math.max(0, count - skip);
    },
  };
}
