/** What was refused, and how often: the ledger as the API asks it. */
import type { Db, Filter } from "mongodb";
import { withDeadline } from "../../platform/deadline.js";
import type { ErrorCode } from "../../platform/errors.js";
import { findPage } from "../../projections/index.js";
import type { Page, PageRequest } from "../../projections/index.js";
import type { Door } from "../counters.js";
import { ledgerCollections } from "./document.js";
import type { RejectionCountDocument, RejectionDocument, Replayed } from "./document.js";

/** Rejections match every field given. Times bound `at`, `from` included and `to` not, ISO 8601 UTC. */
export interface RejectionQuery {
  readonly deviceId?: string;
  readonly door?: Door;
  readonly code?: ErrorCode;
  readonly from?: string;
  readonly to?: string;
}

export type CountBy = "code" | "door" | "deviceId";

export interface RejectionCountRow {
  readonly key: string;
  readonly count: number;
}

export interface CountQuery {
  readonly by: CountBy;
  readonly deviceId?: string;
  readonly from: string;
  readonly to: string;
  /** The largest of them. */
  readonly first: number;
}

export interface RejectionQueries {
  /** Newest first. */
  page(tenantId: string, query: RejectionQuery, page: Omit<PageRequest, "sort">): Promise<Page<RejectionDocument>>;
  /** Of those that are kept. */
  count(tenantId: string, query: RejectionQuery): Promise<number>;
  /** Of all that were refused, kept or not, in the hours that begin within the span; the most frequent first. */
  counts(tenantId: string, query: CountQuery): Promise<readonly RejectionCountRow[]>;
  find(tenantId: string, ids: readonly string[]): Promise<readonly RejectionDocument[]>;
  /** The oldest that match, that can be replayed, and that have not been tried since `untriedSince`. */
  replayable(
    tenantId: string,
    query: RejectionQuery,
    limit: number,
    untriedSince: string,
  ): Promise<readonly RejectionDocument[]>;
  mark(marks: readonly { readonly _id: string; readonly replayed: Replayed }[]): Promise<void>;
}

const ANSWER_WITHIN_MS = 10_000;

export function createRejectionQueries(db: Db): RejectionQueries {
  const { rejections, counts } = ledgerCollections(db);
  return {
    page: (tenantId, query, page) =>
      within(findPage(rejections, filterOf(tenantId, query), { ...page, sort: { field: "at", descending: true } })),
    count: (tenantId, query) => within(rejections.countDocuments(filterOf(tenantId, query))),
    async counts(tenantId, { by, deviceId, from, to, first }) {
      const match: Filter<RejectionCountDocument> = {
        tenantId,
        hour: { $gte: `${from.slice(0, 13)}:00:00.000Z`, $lt: to },
        ...(deviceId === undefined ? {} : { deviceId }),
      };
      const rows = counts.aggregate<{ readonly _id: string; readonly count: number }>([
        { $match: match },
        { $group: { _id: `$${by}`, count: { $sum: "$count" } } },
        { $sort: { count: -1, _id: 1 } },
        { $limit: first },
      ]);
      return (await within(rows.toArray())).map(({ _id, count }) => ({ key: _id, count }));
    },
    async find(tenantId, ids) {
      const keys = ids.map((id) => `${tenantId}/${id}`);
      const found = await within(rejections.find({ _id: { $in: keys }, tenantId }).toArray());
      const byId = new Map(found.map((document) => [document._id, document]));
      return keys.flatMap((key) => byId.get(key) ?? []);
    },
    async replayable(tenantId, query, limit, untriedSince) {
      const filter = {
        ...filterOf(tenantId, query),
        form: { $exists: true },
        "replayed.outcome": { $ne: "STORED" },
        $or: [{ replayed: { $exists: false } }, { "replayed.at": { $lt: untriedSince } }],
      };
      return within(rejections.find(filter as Filter<RejectionDocument>, { sort: { at: 1, _id: 1 }, limit }).toArray());
    },
    async mark(marks) {
      if (marks.length === 0) return;
      // What is stored stays stored, whatever another replay of the same message says later.
      const operations = marks.map(({ _id, replayed }) => ({
        updateOne: { filter: { _id, "replayed.outcome": { $ne: "STORED" } as const }, update: { $set: { replayed } } },
      }));
      await within(rejections.bulkWrite(operations, { ordered: false }));
    },
  };
}

function filterOf(
  tenantId: string,
  { deviceId, door, code, from, to }: RejectionQuery,
): Filter<RejectionDocument> & { readonly tenantId: string } {
  const at = { ...(from === undefined ? {} : { $gte: from }), ...(to === undefined ? {} : { $lt: to }) };
  return {
    tenantId,
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(door === undefined ? {} : { door }),
    ...(code === undefined ? {} : { code }),
    ...(Object.keys(at).length === 0 ? {} : { at }),
  };
}

function within<T>(work: Promise<T>): Promise<T> {
  return withDeadline(work, ANSWER_WITHIN_MS, "asking the rejections");
}
