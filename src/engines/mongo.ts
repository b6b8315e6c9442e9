import { MongoClient } from "mongodb";
import type { Db } from "mongodb";
import { createCircuitBreaker } from "../platform/circuit-breaker.js";
import { isFleetlogError } from "../platform/errors.js";
import { boundDb } from "./bounded-db.js";

export interface Mongo {
  readonly db: Db;
  close(): Promise<void>;
}

/**
 * Connects in the background: an engine that is away when we start is waited for by whoever needs it first.
 * Operations wait at most 5 s for a server before they fail. A server that stands still, with its connections open, is
 * noticed within some 7 s by its heartbeat, and what waits for it fails then. The driver has no time limit for an operation
 * (its `timeoutMS` has no effect), and its defaults would keep a query waiting for 40 s, or for ever: `boundDb` ends them all.
 */
export function connectMongo(url: string, database: string): Mongo {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: 5_000,
    connectTimeoutMS: 5_000,
    heartbeatFrequencyMS: 2_000,
    ignoreUndefined: true,
    maxPoolSize: 20,
    // Without bounds (the driver's defaults), an operation that begins just as the server is killed can wait for ever.
    waitQueueTimeoutMS: 5_000,
    socketTimeoutMS: 20_000,
  });
  const breaker = createCircuitBreaker({ what: "the document store", isAway });
  const db = boundDb(client.db(database), { breaker, answerWithinMs: 12_000, buildWithinMs: 60_000 });
  return { db, close: () => client.close() };
}

/** Names of the driver's errors that mean that nobody answered. */
const AWAY =
  /^Mongo(ServerSelection|Network|NetworkTimeout|PoolCleared|TopologyClosed|NotConnected|WaitQueueTimeout)Error$/u;

function isAway(error: unknown): boolean {
  if (isFleetlogError(error)) return error.code === "UNAVAILABLE";
  return error instanceof Error && AWAY.test(error.name);
}
