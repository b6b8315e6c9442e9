import type { Db } from "mongodb";
import type { LogPosition } from "../events/index.js";

interface CheckpointDocument {
  readonly _id: string;
  /** Decimal text: log positions have 64 bits, JavaScript's numbers 53. */
  readonly commit: string;
  readonly prepare: string;
  /** The lease's fencing token of who wrote it. */
  readonly fence: number;
}

/** The runner's lease went to another, who has written since: stop at once. */
export class Fenced extends Error {
  constructor(name: string) {
    super(`checkpoint ${name} belongs to a newer runner`);
    this.name = "Fenced";
  }
}

export interface Checkpoints {
  load(name: string): Promise<LogPosition | undefined>;
  /** Throws Fenced when a runner with a newer lease has written it. */
  store(name: string, position: LogPosition, fence: number): Promise<void>;
  remove(name: string): Promise<void>;
}

/** A checkpoint is stored after the write that it covers, so what lies before it is always done. */
export function createCheckpoints(db: Db): Checkpoints {
  const collection = db.collection<CheckpointDocument>("checkpoints");
  return {
    async load(name) {
      const found = await collection.findOne({ _id: name });
      return found === null ? undefined : { commit: BigInt(found.commit), prepare: BigInt(found.prepare) };
    },
    async store(name, { commit, prepare }, fence) {
      const fields = { commit: commit.toString(), prepare: prepare.toString(), fence };
      const updated = await collection.updateOne({ _id: name, fence: { $lte: fence } }, { $set: fields });
      if (updated.matchedCount === 1) return;
      const inserted = await collection.updateOne({ _id: name }, { $setOnInsert: fields }, { upsert: true });
      if (inserted.upsertedCount === 0) throw new Fenced(name);
    },
    async remove(name) {
      await collection.deleteOne({ _id: name });
    },
  };
}
