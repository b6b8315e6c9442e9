import type { Db } from "mongodb";

/** How a rebuild goes, kept in the document store: whoever asks sees it, and a projector that comes back goes on with it. */
export interface RebuildDocument {
  /** The projection's name. */
  readonly _id: string;
  readonly state: "RUNNING" | "DONE" | "FAILED";
  readonly generation: number;
  readonly events: number;
  readonly startedAt: string;
  readonly finishedAt?: string;
  readonly error?: string;
}

export interface Rebuilds {
  all(): Promise<readonly RebuildDocument[]>;
  find(name: string): Promise<RebuildDocument | undefined>;
  save(rebuild: RebuildDocument): Promise<void>;
}

export function createRebuilds(db: Db): Rebuilds {
  const collection = db.collection<RebuildDocument>("rebuilds");
  return {
    all: () => collection.find({}).toArray(),
    async find(name) {
      return (await collection.findOne({ _id: name })) ?? undefined;
    },
    async save({ _id, ...fields }) {
      await collection.replaceOne({ _id }, fields, { upsert: true });
    },
  };
}
