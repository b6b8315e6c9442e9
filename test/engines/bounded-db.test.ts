/** The document store stands still, or is killed while it is asked: every operation ends, and all go well once it is back. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { MongoClient } from "mongodb";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { boundDb } from "../../src/engines/bounded-db.js";
import { connectMongo } from "../../src/engines/mongo.js";
import type { Mongo } from "../../src/engines/mongo.js";
import { createCircuitBreaker } from "../../src/platform/circuit-breaker.js";
import { spawnTs } from "../support/spawn-ts.js";
import { waitFor } from "../support/wait-for.js";

interface Thing {
  readonly _id: number;
  readonly n: number;
}

let folder: string;
let documents: ChildProcess;
let url: string;
let mongo: Mongo;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fleetlog-bounded-"));
  documents = await start();
  mongo = connectMongo(url, "bounded");
});
afterEach(async () => {
  documents.kill("SIGCONT");
  documents.kill("SIGKILL");
  await mongo.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

async function start(): Promise<ChildProcess> {
  const child = await spawnTs(new URL("../embedded/documents/server-process.ts", import.meta.url), [
    join(folder, "documents"),
  ]);
  const lines = createInterface(child.stdout as Readable);
  [url] = (await once(lines, "line")) as [string];
  return child;
}

/** Each way in which the platform asks. */
function everyWay(): readonly Promise<unknown>[] {
  const things = mongo.db.collection<Thing>("things");
  const iterate = async (): Promise<number> => {
    let count = 0;
    for await (const _thing of things.find({}, { batchSize: 2 })) count += 1;
    return count;
  };
  return [
    things.findOne({ _id: 1 }),
    things
      .find({ n: { $gt: 0 } })
      .sort({ n: 1 })
      .limit(3)
      .toArray(),
    iterate(),
    things.aggregate([{ $match: { n: 1 } }]).toArray(),
    things.countDocuments({}),
    things.updateOne({ _id: 1 }, { $set: { n: 1 } }, { upsert: true }),
    things.bulkWrite([{ replaceOne: { filter: { _id: 2 }, replacement: { n: 2 }, upsert: true } }], { ordered: false }),
    mongo.db.command({ ping: 1 }),
  ];
}

describe("operations", () => {
  it("do what they do", async () => {
    const things = mongo.db.collection<Thing>("things");
    await things.createIndexes([{ key: { n: 1 } }]);
    await things.insertMany(Array.from({ length: 10 }, (_, n) => ({ _id: n, n })));
    const sorted = await things
      .find({ n: { $gte: 5 } })
      .sort({ n: -1 })
      .limit(2)
      .toArray();
    expect(sorted.map(({ n }) => n)).toEqual([9, 8]);
    const seen: number[] = [];
    for await (const { n } of things.find({}, { batchSize: 3, sort: { n: 1 } })) seen.push(n);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await things.findOneAndUpdate({ _id: 3 }, { $inc: { n: 10 } }, { returnDocument: "after" })).toEqual({
      _id: 3,
      n: 13,
    });
    expect(things.collectionName).toBe("things");
  });

  it("all end while the store stands still, then fail at once, and succeed when it goes on", async () => {
    await Promise.all(everyWay());
    documents.kill("SIGSTOP");
    const outcomes = await Promise.allSettled(everyWay());
    expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map(() => "rejected"));
    // Enough have failed by now: the circuit is open.
    await waitFor(async () => {
      const error: unknown = await mongo.db.command({ ping: 1 }).catch((failure: unknown) => failure);
      return error instanceof Error && /has not been answering/u.test(error.message);
    });
    documents.kill("SIGCONT");
    await waitFor(() =>
      Promise.all(everyWay()).then(
        () => true,
        () => false,
      ),
    );
  });

  it("all end when the store is killed while they are sent, again and again", async () => {
    await Promise.all(everyWay());
    for (let round = 0; round < 3; round += 1) {
      const asked = Array.from({ length: 20 }, () => everyWay()).flat();
      const gone = once(documents, "exit");
      documents.kill("SIGKILL");
      const outcomes = await Promise.allSettled(asked);
      expect(outcomes).toHaveLength(asked.length);
      await gone;
      await mongo.close();
      documents = await start();
      mongo = connectMongo(url, "bounded");
      await waitFor(() =>
        Promise.all(everyWay()).then(
          () => true,
          () => false,
        ),
      );
    }
  });
});

it("an operation that never settles is given up after its time", async () => {
  const client = new MongoClient(url);
  const db = boundDb(client.db("bounded"), {
    breaker: createCircuitBreaker({ what: "the store", isAway: () => true, threshold: 100 }),
    answerWithinMs: 50,
    buildWithinMs: 50,
  });
  documents.kill("SIGSTOP");
  await expect(db.collection("things").findOne({})).rejects.toMatchObject({ code: "UNAVAILABLE" });
  documents.kill("SIGCONT");
  await client.close();
});
