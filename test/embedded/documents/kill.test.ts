import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundleTs } from "../../support/spawn-ts.js";
import type { BundledTs } from "../../support/spawn-ts.js";
import { waitFor } from "../../support/wait-for.js";

interface Entry {
  readonly _id: string;
  readonly writer: number;
  readonly n: number;
  readonly key: string;
}

const rounds = 4;
const writers = 6;
const perBatch = 20;

let bundle: BundledTs;
let path: string;
let child: ChildProcess | undefined;
beforeAll(async () => {
  bundle = await bundleTs(new URL("server-process.ts", import.meta.url));
  path = await mkdtemp(join(tmpdir(), "fleetlog-documents-kill-"));
});
afterAll(async () => {
  child?.kill("SIGKILL");
  await bundle.remove();
  await rm(path, { recursive: true, force: true });
});

async function start(): Promise<string> {
  const started = spawn(process.execPath, [bundle.path, path], { stdio: ["ignore", "pipe", "inherit"] });
  child = started;
  const [url] = (await once(createInterface(started.stdout), "line")) as [string];
  return url;
}

it("has every acknowledged write after it was killed under concurrent writers, and its indexes agree", async () => {
  const acknowledged = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    const url = await start();
    const client = await new MongoClient(url, { serverSelectionTimeoutMS: 2_000 }).connect();
    const entries = client.db("kill").collection<Entry>("entries");
    await entries.createIndex({ writer: 1, n: 1 });
    await entries.createIndex({ key: 1 }, { unique: true });
    const before = acknowledged.size;
    const write = async (writer: number): Promise<void> => {
      for (let batch = 0; ; batch += 1) {
        const documents = Array.from({ length: perBatch }, (_, i): Entry => {
          const n = batch * perBatch + i;
          const id = `${round}-${writer}-${n}`;
          return { _id: id, writer, n, key: id };
        });
        await entries.bulkWrite(
          documents.map((document) => ({
            updateOne: { filter: { _id: document._id }, update: { $set: document }, upsert: true },
          })),
          { ordered: false },
        );
        for (const { _id } of documents) acknowledged.add(_id);
      }
    };
    const ended = Array.from({ length: writers }, (_, writer) => write(writer).catch(() => undefined));
    await waitFor(() => acknowledged.size > before + 600, { what: "writes to be acknowledged" });
    child?.kill("SIGKILL");
    await Promise.all(ended);
    await client.close();
  }
  const client = await new MongoClient(await start()).connect();
  const entries = client.db("kill").collection<Entry>("entries");
  const stored = await entries.find().toArray();
  const ids = new Set(stored.map(({ _id }) => _id));
  expect([...acknowledged].filter((id) => !ids.has(id))).toEqual([]);
  // Each command was one commit: what it holds of a batch is all of it.
  expect(stored.length % perBatch).toBe(0);
  const byWriter = await Promise.all(
    Array.from({ length: writers }, (_, writer) => entries.countDocuments({ writer, n: { $gte: 0 } })),
  );
  expect(byWriter.reduce((sum, n) => sum + n, 0)).toBe(stored.length);
  const byKey = await Promise.all(stored.slice(0, 200).map(({ key }) => entries.findOne({ key })));
  expect(byKey.every((entry) => entry !== null)).toBe(true);
  await client.close();
});
