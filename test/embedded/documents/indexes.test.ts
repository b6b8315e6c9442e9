import type { Document, FindCursor } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { refusal, startTestStore } from "./store.js";
import type { TestStore } from "./store.js";

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore();
});
afterAll(() => store.stop());

interface Explained {
  readonly stage: string;
  readonly indexName: string | undefined;
  readonly keys: number;
  readonly documents: number;
}

async function explained(cursor: FindCursor<Document>): Promise<Explained> {
  const { queryPlanner, executionStats } = await cursor.explain("executionStats");
  let scan = queryPlanner.winningPlan as Document;
  while (scan["inputStage"] !== undefined) scan = scan["inputStage"] as Document;
  return {
    stage: String(queryPlanner.winningPlan.stage),
    indexName: scan["indexName"] as string | undefined,
    keys: Number(executionStats.totalKeysExamined),
    documents: Number(executionStats.totalDocsExamined),
  };
}

describe("index use", () => {
  it("reads a sorted, filtered page from a compound index without touching the rest", async () => {
    const c = store.collection();
    await c.createIndex({ tenantId: 1, status: 1, createdAt: -1, _id: 1 }, { name: "page" });
    await c.insertMany(
      Array.from({ length: 5_000 }, (_, n) => ({
        _id: `d${n}`,
        tenantId: `t${n % 2}`,
        status: n % 3 === 0 ? "ACTIVE" : "INACTIVE",
        createdAt: new Date(n % 100),
      })),
    );
    const page = c.find({ tenantId: "t1", status: "ACTIVE" }).sort({ createdAt: -1, _id: 1 }).limit(50);
    expect(await explained(page)).toEqual({ stage: "FETCH", indexName: "page", keys: 50, documents: 50 });
    const backwards = c.find({ tenantId: "t1", status: "ACTIVE" }).sort({ createdAt: 1, _id: -1 }).limit(5);
    expect(await explained(backwards)).toMatchObject({ stage: "FETCH", keys: 5 });
    const ranged = c.find({ tenantId: "t1", status: "ACTIVE", createdAt: { $gte: new Date(98) } });
    expect(await explained(ranged)).toMatchObject({ indexName: "page", keys: 17 });
    const several = c.find({ tenantId: "t1", status: { $in: ["ACTIVE", "GONE"] } });
    expect(await explained(several)).toMatchObject({ indexName: "page", keys: 833 });
    const otherwise = c.find({ tenantId: "t1", status: "ACTIVE" }).sort({ unknown: 1 });
    expect(await explained(otherwise)).toMatchObject({ stage: "SORT", indexName: "page" });
    expect(await explained(c.find({ status: "ACTIVE" }))).toMatchObject({ stage: "COLLSCAN", documents: 5_000 });
    expect(await explained(c.find({ _id: "d7" }))).toMatchObject({ indexName: "_id_", keys: 1, documents: 1 });
    expect(await explained(c.find({ tenantId: /^t1/ }))).toMatchObject({ indexName: "page", keys: 2_500 });
  });

  it("bounds what follows a prefix by the prefix alone", async () => {
    const c = store.collection();
    await c.createIndex({ name: 1, n: 1 });
    await c.insertMany([
      { name: "ab", n: 1 },
      { name: "a", n: 1 },
      { name: "b", n: 1 },
    ]);
    expect(await explained(c.find({ name: /^a/, n: 1 }))).toMatchObject({ indexName: "name_1_n_1", keys: 2 });
    expect(await c.find({ name: /^a/, n: 1 }).toArray()).toHaveLength(2);
  });

  it("counts from the keys alone", async () => {
    const c = store.collection();
    await c.createIndex({ a: 1 });
    await c.insertMany(Array.from({ length: 100 }, (_, n) => ({ a: n })));
    expect(await c.countDocuments({ a: { $gte: 10, $lt: 30 } })).toBe(20);
  });

  it("takes a hint, and refuses one for an index that is not there", async () => {
    const c = store.collection();
    await c.insertMany([{ a: 1, b: 1 }]);
    await c.createIndexes([{ key: { a: 1 } }, { key: { b: 1 } }]);
    expect(await explained(c.find({ a: 1, b: 1 }).hint("b_1"))).toMatchObject({ indexName: "b_1" });
    expect(await explained(c.find({ a: 1 }).hint({ $natural: 1 }))).toMatchObject({ stage: "COLLSCAN" });
    expect(await refusal(c.find().hint("nowhere").toArray())).toMatchObject({ code: 2 });
  });

  it("prefers a few keys and a sort to a long walk in order", async () => {
    const c = store.collection();
    await c.createIndexes([{ key: { at: 1 } }, { key: { rare: 1 } }]);
    await c.insertMany(Array.from({ length: 3_000 }, (_, n) => ({ at: n, rare: n % 1_000 })));
    const rare = c.find({ rare: 7 }).sort({ at: 1 }).limit(2);
    expect(await explained(rare)).toMatchObject({ stage: "SORT", indexName: "rare_1", keys: 3 });
  });

  it("finds each document once through an index on an array", async () => {
    const c = store.collection();
    await c.createIndex({ tags: 1 });
    await c.insertMany([{ _id: 1, tags: ["a", "b"] }, { _id: 2, tags: ["b"] }, { _id: 3, tags: [] }, { _id: 4 }]);
    const found = c.find({ tags: { $in: ["a", "b"] } });
    expect(await found.toArray()).toHaveLength(2);
    expect(await explained(c.find({ tags: { $in: ["a", "b"] } }))).toMatchObject({ indexName: "tags_1" });
    expect((await c.find({ tags: null }).toArray()).map(({ _id }) => _id)).toEqual([4]);
    expect((await c.find({ tags: [] }).toArray()).map(({ _id }) => _id)).toEqual([3]);
    await c.updateOne({ _id: 1 }, { $set: { tags: ["c"] } });
    expect(await c.countDocuments({ tags: "a" })).toBe(0);
    expect(await c.countDocuments({ tags: "c" })).toBe(1);
  });
});

describe("unique, sparse and partial indexes", () => {
  it("keeps a compound key unique through inserts, updates and upserts", async () => {
    const c = store.collection();
    await c.createIndex({ tenant: 1, serial: 1 }, { unique: true });
    await c.insertMany([
      { _id: 1, tenant: "t", serial: "x" },
      { _id: 2, tenant: "u", serial: "x" },
    ]);
    const error = await c.updateOne({ _id: 2 }, { $set: { tenant: "t" } }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 11000,
      keyPattern: { tenant: 1, serial: 1 },
      keyValue: { tenant: "t", serial: "x" },
    });
    expect(await c.findOne({ _id: 2 })).toMatchObject({ tenant: "u" });
    await c.deleteOne({ _id: 1 });
    await c.updateOne({ _id: 2 }, { $set: { tenant: "t" } });
    expect(await c.countDocuments({ tenant: "t", serial: "x" })).toBe(1);
  });

  it("refuses a unique index over duplicates and leaves nothing of it", async () => {
    const c = store.collection();
    await c.insertMany([{ a: 1 }, { a: 1 }]);
    expect(await refusal(c.createIndex({ a: 1 }, { unique: true }))).toMatchObject({ code: 11000 });
    expect(await c.indexes()).toHaveLength(1);
    await c.createIndex({ a: 1 });
    expect(await c.countDocuments({ a: 1 })).toBe(2);
  });

  it("lets many go without a sparse unique field, and uses the index only where it holds all", async () => {
    const c = store.collection();
    await c.createIndex({ email: 1 }, { unique: true, sparse: true });
    await c.insertMany([{ n: 1 }, { n: 2 }, { email: "a" }]);
    expect(await explained(c.find({ email: "a" }))).toMatchObject({ indexName: "email_1" });
    expect(await explained(c.find({ email: null }))).toMatchObject({ stage: "COLLSCAN" });
    expect(await c.find({}).sort({ email: 1 }).toArray()).toHaveLength(3);
  });

  it("uses a partial index only for queries that it covers", async () => {
    const c = store.collection();
    await c.createIndex({ rule: 1 }, { unique: true, partialFilterExpression: { open: true } });
    await c.insertMany([
      { rule: 1, open: false },
      { rule: 1, open: false },
      { rule: 1, open: true },
    ]);
    expect(await refusal(c.insertOne({ rule: 1, open: true }))).toMatchObject({ code: 11000 });
    expect(await explained(c.find({ rule: 1, open: true }))).toMatchObject({ indexName: "rule_1" });
    expect(await explained(c.find({ rule: 1 }))).toMatchObject({ stage: "COLLSCAN" });
    await c.updateOne({ open: true }, { $set: { open: false } });
    await c.insertOne({ rule: 1, open: true });
    expect(await c.countDocuments({ rule: 1 })).toBe(4);
  });
});

describe("managing", () => {
  it("creates, lists and drops indexes", async () => {
    const c = store.collection();
    expect(await c.createIndex({ a: 1, b: -1 })).toBe("a_1_b_-1");
    expect(await c.createIndex({ a: 1, b: -1 })).toBe("a_1_b_-1");
    await c.createIndex({ at: 1 }, { expireAfterSeconds: 60, name: "ttl" });
    expect(await c.indexes()).toEqual([
      { v: 2, key: { _id: 1 }, name: "_id_" },
      { v: 2, key: { a: 1, b: -1 }, name: "a_1_b_-1" },
      { v: 2, key: { at: 1 }, name: "ttl", expireAfterSeconds: 60 },
    ]);
    expect(await refusal(c.createIndex({ a: 1 }, { name: "a_1_b_-1" }))).toMatchObject({ code: 86 });
    expect(await refusal(c.createIndex({ a: 1, b: -1 }, { name: "other" }))).toMatchObject({ code: 85 });
    await c.dropIndex("ttl");
    expect(await refusal(c.dropIndex("ttl"))).toMatchObject({ code: 27 });
    expect(await refusal(c.dropIndex("_id_"))).toMatchObject({ code: 72 });
    await c.dropIndexes();
    expect(await c.indexes()).toHaveLength(1);
  });

  it.each([
    { key: { a: "text" }, options: {} },
    { key: { a: "2dsphere" }, options: {} },
    { key: { "$**": 1 }, options: {} },
    { key: { a: 1 }, options: { collation: { locale: "de" } } },
    { key: { a: 1, b: 1 }, options: { expireAfterSeconds: 5 } },
  ])("refuses an index of $key with $options", async ({ key, options }) => {
    expect(await refusal(store.collection().createIndex(key as Record<string, 1>, options))).toMatchObject({
      code: 67,
    });
  });

  it("swaps a collection in for another with its indexes", async () => {
    const [live, next] = [store.collection(), store.collection()];
    await live.insertOne({ v: 1 });
    await next.insertOne({ v: 2 });
    await next.createIndex({ v: 1 });
    await next.rename(live.collectionName, { dropTarget: true });
    expect(await live.findOne()).toMatchObject({ v: 2 });
    expect(await live.indexes()).toHaveLength(2);
    expect(await next.countDocuments()).toBe(0);
  });

  it("lists and drops collections and databases", async () => {
    const db = store.client.db("other");
    await db.collection("a").insertOne({ x: 1 });
    await db.createCollection("b");
    expect((await db.listCollections({ name: "b" }).toArray()).map(({ name }) => name)).toEqual(["b"]);
    expect(await refusal(db.createCollection("b"))).toMatchObject({ code: 48 });
    expect(await db.collection("a").drop()).toBe(true);
    expect((await store.client.db().admin().listDatabases()).databases.map(({ name }) => name)).toContain("other");
    await db.dropDatabase();
    expect(await db.listCollections().toArray()).toEqual([]);
  });
});
