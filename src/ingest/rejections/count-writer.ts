/** Adds to the counts so that what is read from the stream a second time is not counted a second time. */
import { MongoBulkWriteError } from "mongodb";
import type { AnyBulkWriteOperation } from "mongodb";
import type { LedgerCollections, RejectionCountDocument } from "./document.js";
import type { RejectionCount } from "./rejection.js";

/** One message's contribution to one count. */
export interface Counted extends RejectionCount {
  readonly tenantId: string;
  /** Ms since the epoch. */
  readonly at: number;
  /** Of the message in the stream. */
  readonly sequence: number;
}

export interface CountWriter {
  /** In the stream's order. `stream` names it: the sequences of another one mean nothing here. */
  add(counted: readonly Counted[], stream: string): Promise<void>;
}

const HOUR_MS = 3_600_000;
const TRIES = 5;
const DUPLICATE_KEY = 11_000;

export function createCountWriter({ counts }: Pick<LedgerCollections, "counts">): CountWriter {
  /** False when another ledger was there between reading and writing. */
  async function tryAdd(byKey: ReadonlyMap<string, readonly Counted[]>, stream: string): Promise<boolean> {
    const found = await counts.find({ _id: { $in: [...byKey.keys()] } }).toArray();
    const held = new Map(found.map((document) => [document._id, document]));
    const operations: AnyBulkWriteOperation<RejectionCountDocument>[] = [];
    let expected = 0;
    for (const [_id, parts] of byKey) {
      const before = held.get(_id);
      const from = before?.stream === stream ? before.sequence : 0;
      const fresh = parts.filter(({ sequence }) => sequence > from);
      const [first] = fresh;
      const last = fresh.at(-1);
      if (first === undefined || last === undefined) continue;
      const count = fresh.reduce((sum, part) => sum + part.count, 0);
      if (before === undefined) {
        const { tenantId, deviceId, door, code } = first;
        const hour = new Date(hourOf(first.at)).toISOString();
        const keptAt = new Date(hourOf(first.at));
        const document = { _id, tenantId, deviceId, door, code, hour, count, sequence: last.sequence, stream, keptAt };
        operations.push({ insertOne: { document } });
        continue;
      }
      expected += 1;
      operations.push({
        updateOne: {
          filter: { _id, sequence: before.sequence, stream: before.stream },
          update: { $inc: { count }, $set: { sequence: last.sequence, stream } },
        },
      });
    }
    if (operations.length === 0) return true;
    try {
      const { matchedCount } = await counts.bulkWrite(operations, { ordered: false });
      return matchedCount === expected;
    } catch (error) {
      if (error instanceof MongoBulkWriteError && error.code === DUPLICATE_KEY) return false;
      throw error;
    }
  }

  return {
    async add(counted, stream) {
      if (counted.length === 0) return;
      const byKey = new Map<string, Counted[]>();
      for (const one of counted) {
        const key = `${one.tenantId}/${one.deviceId}/${one.door}/${one.code}/${hourOf(one.at)}`;
        const parts = byKey.get(key);
        if (parts === undefined) byKey.set(key, [one]);
        else parts.push(one);
      }
      for (let tries = 1; tries <= TRIES; tries += 1) {
        if (await tryAdd(byKey, stream)) return;
      }
      throw new Error("the counts of rejections kept changing while they were added to");
    },
  };
}

function hourOf(at: number): number {
  return Math.floor(at / HOUR_MS) * HOUR_MS;
}
