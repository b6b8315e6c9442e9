import type { AnyBulkWriteOperation, Db } from "mongodb";
import type { WatchDocument } from "./rules/watch.js";

const COLLECTION = "rule_states";
const BATCH = 1_000;

/** Where the states of rules outlive the process: a document per (rule, device) that is not just idle. */
export interface StateStore {
  /** All of them, streamed. */
  load(): AsyncIterable<WatchDocument>;
  /** Idempotent, but not atomic: each document carries the frame that it includes, so a half-written snapshot does no harm. */
  write(documents: readonly WatchDocument[]): Promise<void>;
  delete(ids: readonly string[]): Promise<void>;
}

export function createStateStore(db: Db): StateStore {
  const collection = db.collection<WatchDocument>(COLLECTION);
  return {
    load: () => collection.find({}, { batchSize: BATCH }),
    async write(documents) {
      for (let from = 0; from < documents.length; from += BATCH) {
        const operations = documents
          .slice(from, from + BATCH)
          .map(({ _id, ...replacement }): AnyBulkWriteOperation<WatchDocument> => {
            return { replaceOne: { filter: { _id }, replacement, upsert: true } };
          });
        await collection.bulkWrite(operations, { ordered: false });
      }
    },
    async delete(ids) {
      if (ids.length > 0) await collection.deleteMany({ _id: { $in: [...ids] } });
    },
  };
}
