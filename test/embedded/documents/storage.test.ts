import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startDocumentStore } from "../../../src/embedded/documents/index.js";
import { encodeDocument } from "../../../src/embedded/documents/semantics/bson.js";
import { CommandError } from "../../../src/embedded/documents/semantics/errors.js";
import { removeExpired } from "../../../src/embedded/documents/storage/expiry.js";
import { indexFields } from "../../../src/embedded/documents/storage/index-spec.js";
import { prepareQuery } from "../../../src/embedded/documents/storage/query.js";
import { Store } from "../../../src/embedded/documents/storage/store.js";
import { insertDocument } from "../../../src/embedded/documents/storage/writer.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { refusal } from "./store.js";
import type { Stored } from "./store.js";

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "fleetlog-documents-"));
});
afterEach(() => rm(path, { recursive: true, force: true }));

const mapSizeBytes = 1024 ** 3;

it("has after a restart what it had before: documents, indexes, their flags", async () => {
  const first = await startDocumentStore({ path, logger: silentLogger });
  const writer = await new MongoClient(first.url).connect();
  const c = writer.db("test").collection<Stored>("c");
  await c.createIndex({ tags: -1 }, { sparse: true, name: "tags" });
  await c.createIndex({ k: 1 }, { unique: true, partialFilterExpression: { open: true } });
  await c.insertMany([{ _id: 1, tags: ["a", "b"], k: 1, open: true }, { _id: 2 }]);
  await writer.close();
  await first.stop();
  const second = await startDocumentStore({ path, logger: silentLogger });
  const reader = await new MongoClient(second.url).connect();
  const again = reader.db("test").collection<Stored>("c");
  expect(await again.find({ tags: { $in: ["a", "b"] } }).toArray()).toHaveLength(1);
  expect((await again.indexes()).map(({ name }) => name)).toEqual(["_id_", "tags", "k_1"]);
  expect(await refusal(again.insertOne({ k: 1, open: true }))).toMatchObject({ code: 11000 });
  await again.insertOne({ _id: 3 });
  expect((await again.find().toArray()).map(({ _id }) => _id)).toEqual([1, 2, 3]);
  await reader.close();
  await second.stop();
});

it("keeps nothing of a transaction that failed, and everything of those beside it", async () => {
  const store = Store.open({ path, mapSizeBytes });
  const insert = (namespace: string, id: string) => (): number =>
    insertDocument(store, store.catalog.get(namespace) ?? store.catalog.create(namespace), encodeDocument({ _id: id }));
  const failing = store.write(() => {
    insert("t.c", "lost")();
    throw new CommandError(2, "no");
  });
  const outcomes = await Promise.allSettled([
    store.write(insert("t.a", "1")),
    failing,
    store.write(insert("t.c", "2")),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  await store.close();
  const reopened = Store.open({ path, mapSizeBytes });
  const count = (namespace: string): number => {
    const collection = reopened.catalog.get(namespace);
    return collection === undefined ? 0 : prepareQuery(reopened, collection, { filter: {} }).count();
  };
  expect([count("t.a"), count("t.c")]).toEqual([1, 1]);
  await reopened.close();
});

it("removes what a TTL index says has expired, and nothing else", async () => {
  const store = Store.open({ path, mapSizeBytes });
  const now = new Date("2026-01-01T00:00:00Z");
  const ago = (seconds: number): Date => new Date(now.getTime() - seconds * 1000);
  await store.write(() => {
    const collection = store.catalog.create("t.c");
    collection.indexes.push({
      id: store.catalog.takeId(),
      name: "ttl",
      fields: indexFields({ at: 1 }),
      unique: false,
      sparse: false,
      partial: undefined,
      expireAfterSeconds: 60,
      multikey: false,
    });
    store.catalog.save(collection);
    for (let n = 0; n < 2_500; n += 1) insertDocument(store, collection, encodeDocument({ _id: n, at: ago(61 + n) }));
    for (const [id, at] of [
      ["young", ago(10)],
      ["none", null],
      ["text", "long ago"],
    ] as const) {
      insertDocument(store, collection, encodeDocument({ _id: id, at }));
    }
  });
  expect(await removeExpired(store, now)).toBe(2_500);
  expect(await removeExpired(store, now)).toBe(0);
  const collection = store.catalog.get("t.c");
  if (collection === undefined) throw new Error("the collection is gone");
  store.beginRead();
  expect(prepareQuery(store, collection, { filter: {} }).count()).toBe(3);
  await store.close();
});
