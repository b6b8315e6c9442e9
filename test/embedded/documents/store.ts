import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import type { Collection, Db, Document } from "mongodb";
import { startDocumentStore } from "../../../src/embedded/documents/index.js";
import { silentLogger } from "../../../src/platform/logger.js";

export interface TestStore {
  readonly client: MongoClient;
  readonly db: Db;
  readonly url: string;
  /** A collection of its own for each call. */
  collection(): Collection<Stored>;
  stop(): Promise<void>;
}

/** Any document; its id not an ObjectId unless none is given. */
export type Stored = Document & { _id?: string | number };

/** A store on a fresh directory and the official driver connected to it. */
export async function startTestStore(): Promise<TestStore> {
  const path = await mkdtemp(join(tmpdir(), "fleetlog-documents-"));
  const store = await startDocumentStore({ path, logger: silentLogger });
  const client = await new MongoClient(store.url, { retryWrites: false }).connect();
  const db = client.db("test");
  let collections = 0;
  return {
    client,
    db,
    url: store.url,
    collection() {
      collections += 1;
      return db.collection<Stored>(`c${collections}`);
    },
    async stop() {
      await client.close();
      await store.stop();
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** What the server refused a command with: its number and words. */
export async function refusal(
  promise: Promise<unknown>,
): Promise<{ readonly code: unknown; readonly message: string }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return { code: "code" in error ? error.code : undefined, message: error.message };
  }
  throw new Error("it was not refused");
}
