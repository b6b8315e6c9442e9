import { connect } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Document } from "mongodb";
import { refusal, startTestStore } from "./store.js";
import type { TestStore } from "./store.js";

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore();
});
afterAll(() => store.stop());

const command = (document: Document): Promise<{ readonly code: unknown; readonly message: string }> =>
  refusal(store.db.command(document));

describe("what is not supported is refused by name", () => {
  it.each([
    [{ nonsense: 1 }, 59, "no such command: 'nonsense'"],
    [{ find: "c", collation: { locale: "de" } }, 238, "collation"],
    [{ find: "c", tailable: true }, 238, "tailable"],
    [{ find: "c", nonsense: 1 }, 40415, "find.nonsense"],
    [{ find: "c", filter: { a: { $near: [1, 2] } } }, 2, "$near"],
    [{ find: "c", filter: { $where: "1" } }, 2, "$where"],
    [{ find: "c", filter: { a: { $regex: "(" } } }, 51091, "("],
    [{ find: "c", filter: { a: { $in: 1 } } }, 2, "$in"],
    [{ find: "c", filter: { $or: [] } }, 2, "$or"],
    [{ find: "c", filter: 5 }, 14, "filter"],
    [{ find: "c", sort: { a: 2 } }, 15975, "sort"],
    [{ find: "c", limit: -1 }, 51024, "limit"],
    [{ find: "c", projection: { a: 1, b: 0 } }, 2, "exclusion"],
    [{ find: "c", projection: { "a.$": 1 } }, 238, "positional"],
    [{ find: "" }, 73, "namespace"],
    [{ create: "c", capped: true, size: 1 }, 238, "capped"],
    [{ update: "c", updates: [{ q: {}, u: { a: 1 }, multi: true }] }, 9, "replacement"],
    [{ update: "c", updates: [{ q: {}, u: { $set: { a: 1 } }, collation: {} }] }, 238, "collation"],
    [{ insert: "c", documents: [], ordered: true }, 16, "batch"],
    [{ listIndexes: "nowhere" }, 26, "nowhere"],
    [{ insert: "c", documents: [{ a: 1 }], writeConcern: { w: 2 } }, 2, "replicated"],
    [{ find: "c", readConcern: { level: "snapshot" } }, 72, "snapshot"],
  ])("%j", async (document, code, words) => {
    const error = await command(document).catch(async () => {
      // Errors of single statements come inside an answer that is itself good.
      const reply = await store.db.command(document);
      const [first] = reply["writeErrors"] as Document[];
      return { code: first?.["code"] as unknown, message: String(first?.["errmsg"]) };
    });
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
  });

  it("accepts sessions and refuses transactions", async () => {
    const session = store.client.startSession();
    const c = store.collection();
    await c.insertOne({ _id: 1 }, { session });
    expect(await c.findOne({}, { session })).toEqual({ _id: 1 });
    await session.endSession();
    const transaction = { insert: "c", documents: [{ a: 1 }], startTransaction: true, autocommit: false };
    expect(await command(transaction)).toMatchObject({ code: 20 });
    expect(await command({ commitTransaction: 1 })).toMatchObject({ code: 20 });
  });

  it("refuses a document that is too large", async () => {
    const c = store.collection();
    await c.insertOne({ _id: 1, s: "x".repeat(9 * 1024 * 1024) });
    const grow = c.updateOne({ _id: 1 }, { $set: { t: "x".repeat(9 * 1024 * 1024) } });
    expect(await refusal(grow)).toMatchObject({ code: 10334 });
    expect(await c.findOne({ _id: 1 }, { projection: { t: 1 } })).toEqual({ _id: 1 });
  });

  it("refuses a key that is too long for its index, and keeps nothing of the document", async () => {
    const c = store.collection();
    await c.createIndex({ s: 1 });
    expect(await refusal(c.insertOne({ s: "x".repeat(3_000) }))).toMatchObject({ code: 17280 });
    expect(await c.countDocuments()).toBe(0);
  });
});

describe("bytes that are no message", () => {
  it.each([
    ["a length that is absurd", Buffer.from([0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0])],
    ["an operation that nobody speaks", Buffer.from([16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x99, 0, 0, 0])],
    [
      "an OP_MSG whose document runs over its end",
      Buffer.from([26, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0]),
    ],
    ["garbage", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
  ])("closes the connection at %s, and no other", async (_name, bytes) => {
    const socket = connect(Number(new URL(store.url).port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.resume();
    socket.write(bytes);
    await once(socket, "close");
    expect(await store.db.command({ ping: 1 })).toMatchObject({ ok: 1 });
  });
});
