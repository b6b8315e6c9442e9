/** How the document store keeps the ledger. */
import type { Collection, Db } from "mongodb";
import type { ErrorCode } from "../../platform/errors.js";
import type { Door } from "../counters.js";
import type { Rejection } from "./rejection.js";

/** What became of the last try to take a kept message in again. */
export interface Replayed {
  readonly outcome: "STORED" | "REFUSED";
  /** ISO 8601 UTC. */
  readonly at: string;
  readonly by: string;
  /** Of the new refusal. */
  readonly code?: ErrorCode;
  readonly reason?: string;
}

/** A kept rejection. Times are ISO 8601 UTC. */
export interface RejectionDocument {
  /** `{tenant}/{id}` */
  readonly _id: string;
  readonly tenantId: string;
  readonly rejectionId: string;
  readonly deviceId: string;
  readonly at: string;
  readonly door: Door;
  readonly code: ErrorCode;
  readonly reason: string;
  readonly topic: string;
  readonly payload: string;
  readonly encoding: Rejection["encoding"];
  /** Of the whole payload. */
  readonly bytes: number;
  readonly line?: string;
  /** The replay form as JSON text: metrics are named as devices like, and not every name can be a document's field. */
  readonly form?: string;
  /** What this document takes, about. */
  readonly size: number;
  /** From which on its age is counted, for the index that removes it. */
  readonly keptAt: Date;
  readonly replayed?: Replayed;
}

/** How many were refused in an hour. `_id` is all of what it counts by. */
export interface RejectionCountDocument {
  readonly _id: string;
  readonly tenantId: string;
  readonly deviceId: string;
  readonly door: Door;
  readonly code: ErrorCode;
  /** The hour's beginning, ISO 8601 UTC. */
  readonly hour: string;
  readonly count: number;
  /** The last message of the stream that is in the count, and which stream that was: what is read again is not counted again. */
  readonly sequence: number;
  readonly stream: string;
  readonly keptAt: Date;
}

/** How far the stream has been read. */
export interface LedgerCheckpoint {
  readonly _id: "ledger";
  readonly sequence: number;
  readonly stream: string;
}

export interface LedgerCollections {
  readonly rejections: Collection<RejectionDocument>;
  readonly counts: Collection<RejectionCountDocument>;
  readonly checkpoints: Collection<LedgerCheckpoint>;
}

export function ledgerCollections(db: Db): LedgerCollections {
  return {
    rejections: db.collection<RejectionDocument>("rejections"),
    counts: db.collection<RejectionCountDocument>("rejection_counts"),
    checkpoints: db.collection<LedgerCheckpoint>("rejection_ledger"),
  };
}

/** Whatever else bounds them, rejections and counts are removed at this age. */
const KEPT_DAYS = 30;

/** Idempotent. Before the first document, so that no index is ever built over many. */
export async function ensureLedgerIndexes({ rejections, counts }: LedgerCollections): Promise<void> {
  const expireAfterSeconds = KEPT_DAYS * 24 * 3_600;
  await rejections.createIndexes([
    { key: { tenantId: 1, at: 1, _id: 1 } },
    { key: { tenantId: 1, deviceId: 1, at: 1, _id: 1 } },
    { key: { tenantId: 1, code: 1, at: 1, _id: 1 } },
    { key: { keptAt: 1 }, expireAfterSeconds },
  ]);
  await counts.createIndexes([{ key: { tenantId: 1, hour: 1 } }, { key: { keptAt: 1 }, expireAfterSeconds }]);
}
