import { Double, Int32, Long } from "mongodb";
import type { Document } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { refusal, startTestStore } from "./store.js";
import type { TestStore } from "./store.js";

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore();
});
afterAll(() => store.stop());

interface Case {
  readonly name: string;
  readonly before: Document;
  readonly update: Document | Document[];
  readonly after: Document;
  readonly filter?: Document;
  readonly arrayFilters?: Document[];
}

const cases: readonly Case[] = [
  { name: "$set makes the way", before: {}, update: { $set: { "a.b.c": 1 } }, after: { a: { b: { c: 1 } } } },
  {
    name: "$set reaches into arrays and fills with null",
    before: { a: [1] },
    update: { $set: { "a.2": 3 } },
    after: { a: [1, null, 3] },
  },
  {
    name: "$unset",
    before: { a: { b: 1, c: 2 }, d: 1 },
    update: { $unset: { "a.b": "", d: "" } },
    after: { a: { c: 2 } },
  },
  {
    name: "$inc and $mul",
    before: { a: 1, b: 3 },
    update: { $inc: { a: 2, n: 5 }, $mul: { b: 2, z: 7 } },
    after: { a: 3, n: 5, b: 6, z: 0 },
  },
  {
    name: "$min and $max",
    before: { a: 5, b: 5 },
    update: { $min: { a: 3, c: 1 }, $max: { b: 4 } },
    after: { a: 3, b: 5, c: 1 },
  },
  { name: "$rename", before: { a: 1 }, update: { $rename: { a: "x.y" } }, after: { x: { y: 1 } } },
  { name: "$bit", before: { a: 5 }, update: { $bit: { a: { and: 6 } } }, after: { a: 4 } },
  { name: "$push", before: { a: [1] }, update: { $push: { a: 2, b: 1 } }, after: { a: [1, 2], b: [1] } },
  {
    name: "$push with $each, $sort, $slice",
    before: { a: [{ v: 2 }] },
    update: { $push: { a: { $each: [{ v: 3 }, { v: 1 }], $sort: { v: 1 }, $slice: -2 } } },
    after: { a: [{ v: 2 }, { v: 3 }] },
  },
  {
    name: "$push with $position",
    before: { a: [1, 4] },
    update: { $push: { a: { $each: [2, 3], $position: 1 } } },
    after: { a: [1, 2, 3, 4] },
  },
  {
    name: "$addToSet",
    before: { a: [1, { x: 1 }] },
    update: { $addToSet: { a: { $each: [1, { x: 1 }, 2] } } },
    after: { a: [1, { x: 1 }, 2] },
  },
  { name: "$pull by value", before: { a: [1, 2, 1] }, update: { $pull: { a: 1 } }, after: { a: [2] } },
  { name: "$pull by operators", before: { a: [1, 5, 9] }, update: { $pull: { a: { $gte: 5 } } }, after: { a: [1] } },
  {
    name: "$pull by a filter on objects",
    before: {
      a: [
        { k: 1, v: 2 },
        { k: 1, v: 3 },
      ],
    },
    update: { $pull: { a: { k: 1, v: { $gt: 2 } } } },
    after: { a: [{ k: 1, v: 2 }] },
  },
  { name: "$pullAll", before: { a: [1, 2, 3] }, update: { $pullAll: { a: [1, 3] } }, after: { a: [2] } },
  { name: "$pop", before: { a: [1, 2], b: [1, 2] }, update: { $pop: { a: 1, b: -1 } }, after: { a: [1], b: [2] } },
  {
    name: "the positional $",
    before: { a: [{ k: 1 }, { k: 2 }] },
    filter: { "a.k": 2 },
    update: { $set: { "a.$.v": 9 } },
    after: { a: [{ k: 1 }, { k: 2, v: 9 }] },
  },
  { name: "$[]", before: { a: [1, 2] }, update: { $inc: { "a.$[]": 10 } }, after: { a: [11, 12] } },
  {
    name: "$[identifier]",
    before: { a: [{ v: 1 }, { v: 5 }] },
    update: { $set: { "a.$[big].flag": true } },
    arrayFilters: [{ "big.v": { $gt: 2 } }],
    after: { a: [{ v: 1 }, { v: 5, flag: true }] },
  },
  {
    name: "a pipeline",
    before: { a: 2, b: 3 },
    update: [{ $set: { sum: { $add: ["$a", "$b"] } } }, { $unset: "b" }],
    after: { a: 2, sum: 5 },
  },
];

describe("update operators", () => {
  it.each(cases)("$name", async ({ before, filter = {}, update, arrayFilters, after }) => {
    const c = store.collection();
    await c.insertOne({ _id: 1, ...before });
    await c.updateOne(filter, update, arrayFilters === undefined ? {} : { arrayFilters });
    expect(await c.findOne()).toEqual({ _id: 1, ...after });
  });

  it("keeps a number's type: int until it overflows, long, double", async () => {
    const c = store.collection();
    await c.insertOne({
      _id: 1,
      int: new Int32(2147483647),
      long: Long.fromNumber(5),
      double: new Double(1),
      other: new Double(4),
    });
    await c.updateOne({}, { $inc: { int: 1, long: 1, double: 1 } });
    expect(await c.findOne({}, { promoteValues: false })).toEqual({
      _id: new Int32(1),
      int: Long.fromNumber(2147483648),
      long: Long.fromNumber(6),
      double: new Double(2),
      other: new Double(4),
    });
  });

  it("stamps with the server's time", async () => {
    const c = store.collection();
    await c.updateOne({ _id: 1 }, { $currentDate: { at: true } }, { upsert: true });
    expect((await c.findOne())?.["at"]).toBeInstanceOf(Date);
  });

  it.each<{ update: Document; code: number }>([
    { update: { $set: { a: 1, "a.b": 2 } }, code: 40 },
    { update: { $set: { _id: 2 } }, code: 66 },
    { update: { $inc: { text: 1 } }, code: 14 },
    { update: { $push: { text: 1 } }, code: 2 },
    { update: { $set: { "text.x": 1 } }, code: 28 },
    { update: { $nonsense: { a: 1 } }, code: 9 },
    { update: { $set: { "a..b": 1 } }, code: 2 },
  ])("refuses $update with $code", async ({ update, code }) => {
    const c = store.collection();
    await c.insertOne({ _id: 1, text: "t" });
    expect(await refusal(c.updateOne({}, update))).toMatchObject({ code });
    expect(await c.findOne()).toEqual({ _id: 1, text: "t" });
  });
});
