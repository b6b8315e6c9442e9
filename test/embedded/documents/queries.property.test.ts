import * as fc from "fast-check";
import { find } from "mingo";
import type { Document } from "mongodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestStore } from "./store.js";
import type { TestStore } from "./store.js";

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore();
});
afterAll(() => store.stop());

const small = fc.integer({ min: 0, max: 4 });
const text = fc.constantFrom("a", "ab", "b", "c");
const scalar = fc.oneof(small, small, text, fc.constant(null), fc.boolean());
const field = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(fc.oneof(small, text), { maxLength: 3 }) },
);
const document = fc.record(
  { a: field, b: field, c: scalar, n: fc.record({ x: scalar, y: small }, { requiredKeys: [] }) },
  { requiredKeys: [] },
);

const path = fc.constantFrom("a", "b", "c", "n.x", "n.y");
const comparable = fc.oneof(small, text);
const condition = fc.oneof(
  scalar.map((v): unknown => v),
  fc.record({ $gt: comparable, $lte: comparable }, { requiredKeys: ["$gt"] }),
  fc.record({ $lt: comparable }),
  fc.record({ $gte: comparable }),
  fc.record({ $in: fc.array(scalar, { maxLength: 3 }) }),
  fc.record({ $ne: scalar }),
  fc.record({ $nin: fc.array(scalar, { maxLength: 2 }) }),
  fc.record({ $exists: fc.boolean() }),
  fc.record({ $not: fc.record({ $gt: small }) }),
  fc.constant({ $regex: "^a" }),
);
const flat = fc.dictionary(path, condition, { maxKeys: 3 }) as fc.Arbitrary<Document>;
const filter = fc.oneof(
  { weight: 4, arbitrary: flat },
  { weight: 1, arbitrary: fc.record({ $or: fc.array(flat, { minLength: 1, maxLength: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ $and: fc.array(flat, { minLength: 1, maxLength: 2 }) }) },
);
const direction = fc.constantFrom<1 | -1>(1, -1);
// Not by both `a` and `b`: a sort by two arrays of one document is refused.
const sort = fc.dictionary(fc.constantFrom("a", "c", "n.x", "n.y"), direction, { maxKeys: 2 });
const indexes = fc.array(
  fc.record({
    key: fc.dictionary(fc.constantFrom("a", "c", "n.x", "n.y"), direction, { minKeys: 1, maxKeys: 3 }),
    sparse: fc.boolean(),
  }),
  { minLength: 1, maxLength: 3 },
);

/** One index a key: the same key twice with other options is refused. */
function distinct<T extends { readonly key: object }>(specs: readonly T[]): T[] {
  return [...new Map(specs.map((spec) => [JSON.stringify(spec.key), spec])).values()];
}

/** In the order of insertion, as mingo's documents are. */
function ids(documents: readonly Document[]): readonly unknown[] {
  return documents.map(({ _id }) => _id as unknown).toSorted((a, b) => Number(a) - Number(b));
}

it("answers through indexes what a plain scan answers, in memory or in the store", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(document, { minLength: 1, maxLength: 40 }),
      indexes,
      fc.array(fc.tuple(filter, sort), { minLength: 1, maxLength: 12 }),
      async (bodies, specs, queries) => {
        const documents = bodies.map((body, _id) => ({ _id, ...body }));
        const [indexed, plain] = [store.collection(), store.collection()];
        await indexed.createIndexes(distinct(specs));
        await indexed.insertMany(documents.map((each) => ({ ...each })));
        await plain.insertMany(documents.map((each) => ({ ...each })));
        for (const [wanted, order] of queries) {
          const total = { ...order, _id: 1 as const };
          const found = await indexed.find(wanted).sort(total).toArray();
          expect(found).toEqual(await plain.find(wanted).sort(total).toArray());
          expect(ids(found)).toEqual(ids(find<Document>(documents, wanted).all()));
          expect(await indexed.countDocuments(wanted)).toBe(found.length);
          expect(ids(await indexed.find(wanted).toArray())).toEqual(ids(found));
          const page = await indexed.find(wanted).sort(total).skip(1).limit(3).toArray();
          expect(page).toEqual(found.slice(1, 4));
        }
        await indexed.drop();
        await plain.drop();
      },
    ),
    { numRuns: 30 },
  );
});

it("keeps its indexes right through random updates and deletes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(document, { minLength: 1, maxLength: 20 }),
      indexes,
      fc.array(fc.tuple(filter, document, fc.boolean()), { maxLength: 8 }),
      filter,
      async (bodies, specs, changes, wanted) => {
        const [indexed, plain] = [store.collection(), store.collection()];
        await indexed.createIndexes(distinct(specs));
        for (const c of [indexed, plain]) {
          await c.insertMany(bodies.map((body, _id) => ({ _id, ...body })));
          for (const [where, to, all] of changes) {
            if (all && Object.keys(to).length > 0) await c.updateMany(where, { $set: to });
            else if (all) await c.deleteMany(where);
            else await c.replaceOne(where, to, { sort: { _id: 1 } });
          }
        }
        const order = { _id: 1 as const };
        expect(await indexed.find(wanted).sort(order).toArray()).toEqual(
          await plain.find(wanted).sort(order).toArray(),
        );
        expect(await indexed.countDocuments(wanted)).toBe(await plain.countDocuments(wanted));
        await indexed.drop();
        await plain.drop();
      },
    ),
    { numRuns: 30 },
  );
});
