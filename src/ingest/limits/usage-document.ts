import type { Collection, Db } from "mongodb";

/** What one process counted of one tenant in one hour. Each field only ever grows. */
export interface UsageDocument {
  /** `{tenant}/{hour}/{instance}` */
  readonly _id: string;
  readonly tenantId: string;
  /** The hour's beginning, ISO 8601 UTC. */
  readonly hour: string;
  readonly messages: number;
  readonly bytes: number;
  readonly readings: number;
  readonly waits: number;
  readonly refusals: number;
  readonly peakConnections: number;
  readonly keptAt: Date;
}

/** After so many days an hour is forgotten. */
export const USAGE_KEPT_DAYS = 400;

export function usageCollection(db: Db): Collection<UsageDocument> {
  return db.collection<UsageDocument>("usage");
}
