/** The files: one LMDB environment with the documents, the index keys and the catalog. */
import { open } from "lmdb";
import type { Database, RootDatabase } from "lmdb";
import { Catalog } from "./catalog.js";
import type { Collection } from "./catalog.js";

export interface StoreOptions {
  /** A directory of its own. */
  readonly path: string;
  /** Address space reserved for the file, bytes; the file itself grows with its content. */
  readonly mapSizeBytes: number;
}

type Table = Database<Buffer, Buffer>;

export class Store {
  readonly catalog: Catalog;
  /** collection id (4) · record id (8) → the document's BSON */
  readonly documents: Table;
  /** index id (4) · fields · record id (8) → nothing; in a unique index: index id (4) · fields → record id (8) */
  readonly entries: Table;
  readonly #environment: RootDatabase<Buffer, Buffer>;
  #nextRecord = 1;

  private constructor(options: StoreOptions) {
    const binary = { encoding: "binary", keyEncoding: "binary" } as const;
    this.#environment = open<Buffer, Buffer>({
      path: options.path,
      mapSize: options.mapSizeBytes,
      maxDbs: 8,
      // A commit is answered only once it is flushed: with overlapping it would be before.
      overlappingSync: false,
      // Its batches carry a promise that nobody holds: a commit that fails would end the process. Ours are transactions.
      eventTurnBatching: false,
      ...binary,
    });
    this.documents = this.#environment.openDB({ name: "documents", ...binary });
    this.entries = this.#environment.openDB({ name: "entries", ...binary });
    this.catalog = new Catalog(this.#environment.openDB({ name: "catalog", ...binary }));
  }

  static open(options: StoreOptions): Store {
    const store = new Store(options);
    store.#load();
    return store;
  }

  #load(): void {
    this.catalog.load();
    for (const { id } of this.catalog.all()) {
      const [last] = this.documents.getKeys({
        start: recordKey(id + 1, 0),
        end: recordKey(id, 0),
        reverse: true,
        limit: 1,
      });
      if (last !== undefined) this.#nextRecord = Math.max(this.#nextRecord, recordIdAt(last, 4) + 1);
    }
  }

  /** Record ids only rise, so that a collection read without a sort comes in the order of insertion. */
  takeRecordId(): number {
    const id = this.#nextRecord;
    this.#nextRecord += 1;
    return id;
  }

  document(collection: Collection, record: number): Buffer | undefined {
    return this.documents.get(recordKey(collection.id, record));
  }

  /** What is committed now is what the reads that follow in this turn of the event loop see. */
  beginRead(): void {
    this.#environment.resetReadTxn();
  }

  /**
   * Runs `change` in a write transaction; resolves once it is committed and flushed. Callers of the same moment share one
   * commit. When `change` throws, nothing of it is kept and the promise rejects with what it threw.
   */
  async write<T>(change: () => T): Promise<T> {
    try {
      return await this.#environment.childTransaction(() => {
        this.catalog.sync();
        return change();
      });
    } catch (error) {
      throw await causeOf(error);
    }
  }

  async close(): Promise<void> {
    await this.#environment.close();
  }
}

/** A commit that failed: nothing of it was kept. */
export class CommitError extends Error {}

/** LMDB says only that a commit failed, and why in a promise beside it. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !("commitError" in error)) return error;
  try {
    await (error.commitError as Promise<never>);
    return error;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new CommitError(`the disk refused the write (${reason}); nothing of it was kept`, { cause });
  }
}

export function recordKey(collectionId: number, record: number): Buffer {
  const key = Buffer.allocUnsafe(12);
  key.writeUInt32BE(collectionId, 0);
  writeRecordId(key, record, 4);
  return key;
}

export function writeRecordId(target: Buffer, record: number, offset: number): void {
  target.writeUInt32BE(Math.floor(record / 0x1_0000_0000), offset);
  target.writeUInt32BE(record % 0x1_0000_0000, offset + 4);
}

export function recordIdAt(source: Buffer, offset: number): number {
  return source.readUInt32BE(offset) * 0x1_0000_0000 + source.readUInt32BE(offset + 4);
}
