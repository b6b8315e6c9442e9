import { MongoClient } from "mongodb";
import type { Db } from "mongodb";

export interface Mongo {
  readonly db: Db;
  close(): Promise<void>;
}

/**
 * Connects in the background: an engine that is away when we start is waited for by whoever needs it first.
 * Operations wait at most 5 s for a server before they fail.
 */
export function connectMongo(url: string, database: string): Mongo {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000, ignoreUndefined: true, maxPoolSize: 20 });
  return { db: client.db(database), close: () => client.close() };
}
