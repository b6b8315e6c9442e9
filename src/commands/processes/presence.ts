import type { Db } from "mongodb";
import { MongoServerError } from "mongodb";

/** The newest connection of a device. `_id` is `{tenant}/{device}`. */
interface PresenceDocument {
  readonly _id: string;
  readonly session: string;
  /** When it began, ms since the epoch. */
  readonly at: number;
}

export interface PresenceStore {
  /** A connection has begun; an older one that is told of late changes nothing. */
  began(id: string, session: string, at: number): Promise<void>;
  /** Whether another connection is known that began after this one: then this one's end means nothing. */
  isOvertaken(id: string, session: string, endedAt: number): Promise<boolean>;
}

const DUPLICATE_KEY = 11_000;

export function createPresenceStore(db: Db): PresenceStore {
  const collection = db.collection<PresenceDocument>("device_presence");
  return {
    async began(id, session, at) {
      try {
        await collection.updateOne({ _id: id, at: { $lte: at } }, { $set: { session, at } }, { upsert: true });
      } catch (error) {
        if (!(error instanceof MongoServerError && error.code === DUPLICATE_KEY)) throw error;
      }
    },
    async isOvertaken(id, session, endedAt) {
      const newest = await collection.findOne({ _id: id });
      if (newest === null || newest.session === session) return false;
      // Sessions are UUIDs of version 7, which sort by their birth: a connection that took over began before the old one ended.
      return newest.at >= endedAt || newest.session > session;
    },
  };
}
