import type { Db } from "mongodb";
import { withDeadline } from "../../platform/deadline.js";
import { usageCollection } from "./usage-document.js";

/** What a tenant used in one hour, by all processes with doors. */
export interface UsageHour {
  /** Its beginning, ISO 8601 UTC. */
  readonly hour: string;
  readonly messages: number;
  readonly bytes: number;
  readonly readings: number;
  readonly waits: number;
  readonly refusals: number;
  /** The sum of the processes' highest numbers: never less than there were at one time. */
  readonly peakConnections: number;
}

export interface UsageQueries {
  /** The hours that begin within the span, ms since the epoch, `to` not included; oldest first, those without any use left out. */
  hours(tenantId: string, from: number, to: number): Promise<readonly UsageHour[]>;
}

const ANSWER_WITHIN_MS = 10_000;

export function createUsageQueries(db: Db): UsageQueries {
  const collection = usageCollection(db);
  return {
    async hours(tenantId, from, to) {
      const found = collection.aggregate<Omit<UsageHour, "hour"> & { readonly _id: string }>([
        { $match: { tenantId, hour: { $gte: new Date(from).toISOString(), $lt: new Date(to).toISOString() } } },
        {
          $group: {
            _id: "$hour",
            messages: { $sum: "$messages" },
            bytes: { $sum: "$bytes" },
            readings: { $sum: "$readings" },
            waits: { $sum: "$waits" },
            refusals: { $sum: "$refusals" },
            peakConnections: { $sum: "$peakConnections" },
          },
        },
        { $sort: { _id: 1 } },
      ]);
      const rows = await withDeadline(found.toArray(), ANSWER_WITHIN_MS, "asking what a tenant used");
      return rows.map(({ _id: hour, ...counts }) => ({ hour, ...counts }));
    },
  };
}
