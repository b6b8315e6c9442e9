import { Long } from "mongodb";
import type { Document } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { refusal, startTestStore } from "./store.js";
import type { Stored, TestStore } from "./store.js";
import type { Collection } from "mongodb";

let store: TestStore;
let c: Collection<Stored>;
beforeAll(async () => {
  store = await startTestStore();
  c = store.collection();
  await c.createIndex({ tenant: 1, at: -1 });
  await c.insertMany([
    { _id: 1, tenant: "t", at: 1, type: "pump", tags: ["a", "b"], value: 10 },
    { _id: 2, tenant: "t", at: 2, type: "pump", tags: ["b"], value: 20 },
    { _id: 3, tenant: "t", at: 3, type: "fan", tags: [], value: 30 },
    { _id: 4, tenant: "u", at: 4, type: "fan", tags: ["a"], value: 40 },
  ]);
  await store.db.collection<Document & { _id: string }>("types").insertMany([
    { _id: "pump", label: "Pump" },
    { _id: "fan", label: "Fan" },
  ]);
});
afterAll(() => store.stop());

const run = (pipeline: Document[]): Promise<Document[]> => c.aggregate(pipeline).toArray();

describe("aggregate", () => {
  it("groups", async () => {
    expect(
      await run([
        { $match: { tenant: "t" } },
        { $group: { _id: "$type", n: { $sum: 1 }, mean: { $avg: "$value" }, last: { $max: "$at" } } },
        { $sort: { _id: 1 } },
      ]),
    ).toEqual([
      { _id: "fan", n: 1, mean: 30, last: 3 },
      { _id: "pump", n: 2, mean: 15, last: 2 },
    ]);
  });

  it("unwinds, projects, counts, skips and limits", async () => {
    expect(await run([{ $unwind: "$tags" }, { $sortByCount: "$tags" }, { $limit: 1 }])).toMatchObject([{ count: 2 }]);
    expect(await run([{ $match: { tenant: "t" } }, { $count: "n" }])).toEqual([{ n: 3 }]);
    expect(
      await run([
        { $sort: { at: -1 } },
        { $skip: 1 },
        { $limit: 1 },
        { $project: { _id: 0, double: { $multiply: ["$value", 2] } } },
      ]),
    ).toEqual([{ double: 60 }]);
  });

  it("looks up and facets", async () => {
    expect(
      await run([
        { $match: { _id: 1 } },
        { $lookup: { from: "types", localField: "type", foreignField: "_id", as: "types" } },
        { $project: { types: 1 } },
      ]),
    ).toEqual([{ _id: 1, types: [{ _id: "pump", label: "Pump" }] }]);
    expect(
      await run([{ $facet: { all: [{ $count: "n" }], fans: [{ $match: { type: "fan" } }, { $count: "n" }] } }]),
    ).toEqual([{ all: [{ n: 4 }], fans: [{ n: 2 }] }]);
  });

  it("answers its first stages from an index, types untouched", async () => {
    const typed = store.collection();
    await typed.insertOne({ n: Long.fromNumber(5) });
    const [document] = await typed.aggregate([{ $match: { n: 5 } }], { promoteValues: false }).toArray();
    expect(document?.["n"]).toEqual(Long.fromNumber(5));
    const plan = await c.aggregate([{ $match: { tenant: "t" } }, { $sort: { at: -1 } }]).explain();
    expect(plan["queryPlanner"].winningPlan).toMatchObject({
      stage: "FETCH",
      inputStage: { indexName: "tenant_1_at_-1" },
    });
  });

  it("gives large results in batches", async () => {
    const many = store.collection();
    await many.insertMany(Array.from({ length: 1_000 }, (_, n) => ({ _id: n })));
    expect(await many.aggregate([{ $set: { x: 1 } }], { batchSize: 10 }).toArray()).toHaveLength(1_000);
    expect(await many.aggregate([{ $match: {} }], { batchSize: 10 }).toArray()).toHaveLength(1_000);
  });

  it.each([
    { stage: { $out: "x" }, code: 238 },
    { stage: { $changeStream: {} }, code: 40573 },
    { stage: { $nonsense: {} }, code: 40324 },
    { stage: { $group: { _id: null, n: { $nonsense: 1 } } }, code: 168 },
    { stage: { $limit: 0 }, code: 15958 },
    { stage: { $match: { $where: "true" } }, code: 2 },
  ])("refuses $stage with $code", async ({ stage, code }) => {
    expect(await refusal(run([stage]))).toMatchObject({ code });
  });
});
