import type { Db } from "mongodb";
import type { LogPosition } from "../events/index.js";
import { withDeadline } from "../platform/deadline.js";
import { messageOf } from "../platform/errors.js";

/** Then it is tried again: MongoDB's driver can lose an operation whose server is killed while it is sent. */
const ANSWER_WITHIN_MS = 3_000;

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
      const found = await withDeadline(
        collection.findOne({ _id: name }),
        ANSWER_WITHIN_MS,
        `reading checkpoint ${name}`,
      );
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

/** A checkpoint that moves with every batch is stored this often. */
const STORE_EVERY_MS = 200;

export interface MovingCheckpoint {
  /** The work up to here is done. Throws what the last attempt to store failed with: Fenced among it. */
  moveTo(position: LogPosition): void;
  /** Stores what is not stored yet. */
  flush(): Promise<void>;
}

/** Stores a checkpoint some times a second instead of once a batch. A crash replays what came since, which the documents' revisions make harmless. */
export function createMovingCheckpoint(checkpoints: Checkpoints, name: string, fence: number): MovingCheckpoint {
  let latest: LogPosition | undefined;
  let stored: LogPosition | undefined;
  let failure: Error | undefined;
  let storing = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  async function store(): Promise<void> {
    const position = latest;
    if (position === undefined || position === stored) return;
    await withDeadline(checkpoints.store(name, position, fence), ANSWER_WITHIN_MS, `storing checkpoint ${name}`);
    stored = position;
  }

  function storeInBackground(): void {
    timer = undefined;
    storing = store().catch((error: unknown) => {
      failure = error instanceof Error ? error : new Error(messageOf(error));
    });
  }

  return {
    moveTo(position) {
      if (failure !== undefined) {
        const told = failure;
        failure = undefined;
        throw told;
      }
      latest = position;
      timer ??= setTimeout(storeInBackground, STORE_EVERY_MS);
    },
    async flush() {
      clearTimeout(timer);
      timer = undefined;
      await storing;
      await store();
    },
  };
}
