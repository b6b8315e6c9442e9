import { MongoBulkWriteError } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { refusal, startTestStore } from "./store.js";
import type { TestStore } from "./store.js";

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore();
});
afterAll(() => store.stop());

describe("inserting", () => {
  it("gives documents back in the order of insertion", async () => {
    const c = store.collection();
    await c.insertMany([{ _id: "b" }, { _id: "a" }, { _id: "c" }]);
    expect(await c.find().toArray()).toEqual([{ _id: "b" }, { _id: "a" }, { _id: "c" }]);
  });

  it("refuses a second document of one id, naming index and key", async () => {
    const c = store.collection();
    const document = { _id: { tenant: "t", n: 1 } as unknown as string };
    await c.insertOne(document);
    const error = await c.insertOne(document).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 11000,
      keyPattern: { _id: 1 },
      keyValue: { _id: { tenant: "t", n: 1 } },
      message: expect.stringContaining(`${c.namespace} index: _id_ dup key`) as string,
    });
  });

  it("refuses an id that is an array", async () => {
    expect(await refusal(store.collection().insertOne({ _id: [1] as unknown as string }))).toMatchObject({ code: 2 });
  });

  it("stops an ordered batch at the first error and goes on in an unordered one", async () => {
    const documents = [{ _id: 1 }, { _id: 1 }, { _id: 2 }];
    const ordered = store.collection();
    const first = await ordered.insertMany(documents).catch((error: unknown) => error);
    expect(first).toBeInstanceOf(MongoBulkWriteError);
    expect(await ordered.countDocuments()).toBe(1);
    const unordered = store.collection();
    const second = await unordered.insertMany(documents, { ordered: false }).catch((error: unknown) => error);
    if (!(second instanceof MongoBulkWriteError)) throw new Error("it was not refused");
    expect([second.writeErrors].flat().map(({ index, code }) => ({ index, code }))).toEqual([
      { index: 1, code: 11000 },
    ]);
    expect(second.insertedCount).toBe(2);
  });

  it("takes an unacknowledged write", async () => {
    const c = store.collection();
    await c.insertOne({ _id: 1 }, { writeConcern: { w: 0 } });
    await c.insertOne({ _id: 2 });
    await expect.poll(() => c.countDocuments()).toBe(2);
  });
});

describe("finding", () => {
  it("filters, sorts, skips, limits and projects", async () => {
    const c = store.collection();
    await c.insertMany(Array.from({ length: 20 }, (_, n) => ({ _id: n, even: n % 2 === 0, at: { x: n, y: -n } })));
    const page = await c
      .find({ even: true, "at.x": { $gte: 4 } })
      .sort({ "at.y": 1 })
      .skip(1)
      .limit(3)
      .project({ "at.x": 1, even: 1 })
      .toArray();
    expect(page).toEqual([16, 14, 12].map((x) => ({ _id: x, even: true, at: { x } })));
  });

  it("excludes fields, also inside arrays, and leaves the id out when asked", async () => {
    const c = store.collection();
    await c.insertOne({ _id: 1, secret: "s", items: [{ a: 1, b: 2 }, { a: 3 }, 4] });
    expect(await c.findOne({}, { projection: { secret: 0, "items.a": 0 } })).toEqual({
      _id: 1,
      items: [{ b: 2 }, {}, 4],
    });
    expect(await c.findOne({}, { projection: { _id: 0, "items.a": 1 } })).toEqual({ items: [{ a: 1 }, { a: 3 }] });
    expect(await c.findOne({}, { projection: { _id: 0, secret: 1 } })).toEqual({ secret: "s" });
    expect(await c.findOne({}, { projection: { items: { $slice: 1 } } })).toMatchObject({ items: [{ a: 1, b: 2 }] });
  });

  it("looks through arrays", async () => {
    const c = store.collection();
    await c.insertMany([
      {
        _id: 1,
        tags: ["a", "b"],
        readings: [
          { m: "t", v: 5 },
          { m: "h", v: 50 },
        ],
      },
      { _id: 2, tags: "a", readings: [] },
    ]);
    const ids = async (filter: object): Promise<unknown[]> => (await c.find(filter).toArray()).map(({ _id }) => _id);
    expect(await ids({ tags: "a" })).toEqual([1, 2]);
    expect(await ids({ tags: ["a", "b"] })).toEqual([1]);
    expect(await ids({ tags: { $all: ["b", "a"] } })).toEqual([1]);
    expect(await ids({ tags: { $size: 2 } })).toEqual([1]);
    expect(await ids({ readings: { $elemMatch: { m: "t", v: { $gt: 10 } } } })).toEqual([]);
    expect(await ids({ "readings.m": "t", "readings.v": { $gt: 10 } })).toEqual([1]);
    expect(await ids({ "readings.1.v": 50 })).toEqual([1]);
    expect(await ids({ tags: { $not: { $type: "array" } } })).toEqual([2]);
    expect(await ids({ $expr: { $gt: [{ $size: "$readings" }, 1] } })).toEqual([1]);
    expect(await ids({ tags: /^B/i })).toEqual([1]);
    expect(await ids({ $nor: [{ tags: "b" }] })).toEqual([2]);
    expect(await ids({ missing: null })).toEqual([1, 2]);
    expect(await ids({ missing: { $exists: true } })).toEqual([]);
  });

  it("fetches in batches, and forgets a cursor that is closed", async () => {
    const c = store.collection();
    await c.insertMany(Array.from({ length: 500 }, (_, n) => ({ _id: n })));
    const all = await c.find({}, { batchSize: 7 }).sort({ _id: -1 }).toArray();
    expect(all.map(({ _id }) => _id)).toEqual(Array.from({ length: 500 }, (_, n) => 499 - n));
    const cursor = c.find({}, { batchSize: 2 });
    await cursor.next();
    const id = cursor.id;
    await cursor.close();
    expect(await refusal(store.db.command({ getMore: id, collection: c.collectionName }))).toMatchObject({ code: 43 });
  });

  it("counts and lists distinct values", async () => {
    const c = store.collection();
    await c.insertMany([{ k: 1, t: ["x", "y"] }, { k: 2, t: ["y"] }, { k: 2 }]);
    expect(await c.countDocuments({ k: 2 })).toBe(2);
    expect(await c.countDocuments({}, { skip: 1, limit: 1 })).toBe(1);
    expect(await c.countDocuments({ k: 9 })).toBe(0);
    expect(await c.estimatedDocumentCount()).toBe(3);
    expect(await c.distinct("t")).toEqual(["x", "y"]);
    expect(await c.distinct("k", { t: "y" })).toEqual([1, 2]);
  });
});

describe("updating and deleting", () => {
  it("tells matched from modified, one from many", async () => {
    const c = store.collection();
    await c.insertMany([{ a: 1 }, { a: 1 }, { a: 2 }]);
    expect(await c.updateMany({ a: 1 }, { $set: { a: 2 } })).toMatchObject({ matchedCount: 2, modifiedCount: 2 });
    expect(await c.updateOne({ a: 2 }, { $set: { a: 2 } })).toMatchObject({ matchedCount: 1, modifiedCount: 0 });
    expect(await c.updateOne({ a: 9 }, { $set: { a: 2 } })).toMatchObject({ matchedCount: 0, modifiedCount: 0 });
    expect((await c.deleteOne({ a: 2 })).deletedCount).toBe(1);
    expect((await c.deleteMany({})).deletedCount).toBe(2);
  });

  it("does not meet its own writes", async () => {
    const c = store.collection();
    await c.createIndex({ n: 1 });
    await c.insertMany(Array.from({ length: 3_000 }, (_, n) => ({ n })));
    expect((await c.updateMany({ n: { $gte: 0 } }, { $inc: { n: 10_000 } })).modifiedCount).toBe(3_000);
    expect(await c.countDocuments({ n: { $gte: 10_000, $lt: 13_000 } })).toBe(3_000);
  });

  it("upserts what the filter says is equal", async () => {
    const c = store.collection();
    const { upsertedId } = await c.updateOne(
      { _id: "d", tenant: { $eq: "t" }, $and: [{ "at.x": 1 }], revision: { $lt: 5 } },
      { $set: { revision: 5 }, $setOnInsert: { born: true } },
      { upsert: true },
    );
    expect(upsertedId).toBe("d");
    expect(await c.findOne()).toEqual({ _id: "d", tenant: "t", at: { x: 1 }, revision: 5, born: true });
    await c.updateOne({ _id: "d" }, { $setOnInsert: { born: false } }, { upsert: true });
    expect(await c.findOne()).toMatchObject({ born: true });
  });

  it("guards by revision: an upsert that comes too late is a duplicate key", async () => {
    const c = store.collection();
    const write = (revision: number): Promise<unknown> =>
      c.updateOne({ _id: "d", revision: { $lt: revision } }, { $set: { revision } }, { upsert: true });
    await write(3);
    await write(5);
    expect(await refusal(write(4))).toMatchObject({ code: 11000 });
    expect(await c.findOne()).toEqual({ _id: "d", revision: 5 });
  });

  it("replaces, keeping the id", async () => {
    const c = store.collection();
    await c.insertOne({ _id: "d", a: 1, b: 2 });
    await c.replaceOne({ _id: "d" }, { c: 3 });
    expect(await c.findOne()).toEqual({ _id: "d", c: 3 });
    expect(await refusal(c.replaceOne({ c: 3 }, { _id: "e" }))).toMatchObject({ code: 66 });
    await c.replaceOne({ _id: "n", x: 1 }, { y: 1 }, { upsert: true });
    expect(await c.findOne({ _id: "n" })).toEqual({ _id: "n", y: 1 });
  });

  it("finds and changes in one step", async () => {
    const c = store.collection();
    await c.insertMany([
      { _id: 1, n: 5 },
      { _id: 2, n: 7 },
    ]);
    const inc = { $inc: { n: 1 } };
    expect(await c.findOneAndUpdate({}, inc, { sort: { n: -1 } })).toEqual({ _id: 2, n: 7 });
    expect(
      await c.findOneAndUpdate({ _id: 2 }, inc, { returnDocument: "after", projection: { n: 1, _id: 0 } }),
    ).toEqual({ n: 9 });
    expect(await c.findOneAndUpdate({ _id: 9 }, inc)).toBeNull();
    expect(await c.findOneAndUpdate({ _id: 9 }, inc, { upsert: true })).toBeNull();
    expect(await c.findOneAndUpdate({ _id: 8 }, inc, { upsert: true, returnDocument: "after" })).toEqual({
      _id: 8,
      n: 1,
    });
    expect(await c.findOneAndUpdate({ _id: 1 }, inc, { includeResultMetadata: true })).toMatchObject({
      lastErrorObject: { n: 1, updatedExisting: true },
      value: { _id: 1, n: 5 },
    });
    expect(await c.findOneAndReplace({ _id: 1 }, { m: 1 }, { returnDocument: "after" })).toEqual({ _id: 1, m: 1 });
    expect(await c.findOneAndDelete({ _id: 1 })).toEqual({ _id: 1, m: 1 });
    expect(await c.findOneAndDelete({ _id: 1 })).toBeNull();
  });

  it("runs a mixed bulk, reporting each failure by its place", async () => {
    const c = store.collection();
    await c.createIndex({ key: 1 }, { unique: true });
    const result = await c
      .bulkWrite(
        [
          { insertOne: { document: { _id: 1, key: "a" } } },
          { insertOne: { document: { _id: 2, key: "a" } } },
          { updateOne: { filter: { _id: 3 }, update: { $set: { key: "c" } }, upsert: true } },
          { updateOne: { filter: { _id: 3 }, update: { $set: { key: "a" } } } },
          { replaceOne: { filter: { _id: 1 }, replacement: { key: "z" } } },
          { deleteOne: { filter: { _id: 3 } } },
        ],
        { ordered: false },
      )
      .catch((error: unknown) => error);
    if (!(result instanceof MongoBulkWriteError)) throw new Error("it was not refused");
    expect([result.writeErrors].flat().map(({ index, code }) => [index, code])).toEqual([
      [1, 11000],
      [3, 11000],
    ]);
    expect(result.result).toMatchObject({ insertedCount: 1, upsertedIds: { 2: 3 }, modifiedCount: 1, deletedCount: 1 });
    expect(await c.find().toArray()).toEqual([{ _id: 1, key: "z" }]);
  });
});
