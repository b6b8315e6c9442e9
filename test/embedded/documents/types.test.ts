import {
  Binary,
  BSON,
  BSONRegExp,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  UUID,
} from "mongodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestStore } from "./store.js";
import type { TestStore } from "./store.js";

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore();
});
afterAll(() => store.stop());

const everything = {
  _id: new ObjectId("64b0c0ffee0123456789abcd"),
  int: new Int32(7),
  long: Long.fromString("9007199254740993"),
  smallLong: Long.fromNumber(7),
  double: new Double(7),
  nan: new Double(Number.NaN),
  negativeZero: new Double(-0),
  decimal: Decimal128.fromString("12345678901234567890.123456789"),
  text: "π \u0000 😀",
  yes: true,
  nothing: null,
  at: new Date(-1),
  bytes: new Binary(Buffer.from([1, 2, 3]), 0),
  uuid: new UUID("6f2b1d0e-6e0c-4d7a-9b57-0d3c1f6a7e42"),
  pattern: new BSONRegExp("^a.*b$", "i"),
  code: new Code("x"),
  stamp: new Timestamp({ t: 5, i: 6 }),
  min: new MinKey(),
  max: new MaxKey(),
  nested: { list: [new Int32(1), { deep: new Double(2) }, []], empty: {} },
};

it("gives every type back, byte for byte: inserted, updated, sorted, projected", async () => {
  const c = store.db.collection("everything");
  await c.insertOne(everything);
  const raw = { raw: true, bsonRegExp: true } as const;
  const sent = BSON.serialize(everything);
  const stored = async (): Promise<Uint8Array> => {
    const [bytes] = await c.find({}, raw).sort({ text: 1 }).toArray();
    return bytes as unknown as Uint8Array;
  };
  expect(Buffer.compare(await stored(), sent)).toBe(0);
  await c.updateOne({}, { $set: { touched: 1 } });
  await c.updateOne({}, { $unset: { touched: 1 } });
  expect(Buffer.compare(await stored(), sent)).toBe(0);
  const [projected] = await c.find({}, { ...raw, projection: { touched: 0 } }).toArray();
  expect(Buffer.compare(projected as unknown as Uint8Array, sent)).toBe(0);
});

it("compares numbers by value, whatever their type", async () => {
  const c = store.collection();
  await c.insertMany([
    { n: new Int32(1) },
    { n: Long.fromNumber(1) },
    { n: new Double(1) },
    { n: Decimal128.fromString("1.0") },
  ]);
  await c.insertMany([{ n: "1" }, { n: true }]);
  expect(await c.countDocuments({ n: 1 })).toBe(4);
  expect(await c.countDocuments({ n: { $type: "long" } })).toBe(1);
  expect(await c.countDocuments({ n: { $type: "number" } })).toBe(4);
  await c.createIndex({ n: 1 });
  expect(await c.countDocuments({ n: Long.fromNumber(1) })).toBe(4);
  expect(await c.countDocuments({ n: { $gte: 1 } })).toBe(4);
});

it("sorts types in MongoDB's order, with and without an index", async () => {
  const values = [
    new MinKey(),
    null,
    new Double(Number.NaN),
    -Infinity,
    Long.fromString("-9223372036854775808"),
    -1.5,
    0,
    Long.fromString("9007199254740992"),
    Long.fromString("9007199254740993"),
    Infinity,
    "",
    "a",
    "a\u0000",
    "ab",
    "\uffff",
    "😀",
    {},
    { a: 1 },
    { a: 1, b: 0 },
    { b: 0 },
    { a: "text sorts above numbers, by type before name" },
    new Binary(Buffer.from([255]), 0),
    new Binary(Buffer.from([0, 0]), 0),
    new ObjectId("000000000000000000000001"),
    new ObjectId("000000000000000000000002"),
    false,
    true,
    new Date(-5),
    new Date(5),
    new Timestamp({ t: 1, i: 1 }),
    new BSONRegExp("a"),
    new MaxKey(),
  ];
  const c = store.collection();
  const documents = values.map((v, i) => ({ _id: i, v }));
  await c.insertMany(documents.toReversed());
  const ids = documents.map(({ _id }) => _id);
  const order = async (direction: 1 | -1): Promise<unknown[]> =>
    (await c.find({}).sort({ v: direction }).toArray()).map(({ _id }) => _id);
  expect(await order(1)).toEqual(ids);
  expect(await order(-1)).toEqual(ids.toReversed());
  await c.createIndex({ v: -1 });
  expect(await order(1)).toEqual(ids);
  expect(await order(-1)).toEqual(ids.toReversed());
});
