/** Results that did not fit into one reply, waiting to be fetched. */
import { CommandError } from "../semantics/errors.js";

/** Beyond this many the one that was idle longest is closed; its client is told CursorNotFound. */
const maxCursors = 1_000;
/** As on the real server. */
const idleLimitMs = 10 * 60 * 1000;
/** Documents of one reply, bytes, but always one. */
const maxBatchBytes = 16 * 1024 * 1024;

interface Cursor {
  readonly namespace: string;
  readonly documents: Iterator<Buffer>;
  /** Read, but too large for the reply before. */
  pending: Buffer | undefined;
  lastUsed: number;
}

export interface Batch {
  readonly documents: readonly Buffer[];
  /** 0: there is no more. */
  readonly id: bigint;
}

export class Cursors {
  /** In the order of last use. */
  readonly #open = new Map<bigint, Cursor>();
  #nextId = BigInt(Date.now()) << 20n;

  get size(): number {
    return this.#open.size;
  }

  /** The first batch; the rest is kept under the id that comes with it. */
  open(namespace: string, documents: Iterator<Buffer>, size: number, single = false): Batch {
    const cursor: Cursor = { namespace, documents, pending: undefined, lastUsed: Date.now() };
    const batch = take(cursor, size);
    if (cursor.pending === undefined || single) return { documents: batch, id: 0n };
    this.closeIdle(Date.now());
    const [oldest] = this.#open.keys();
    if (this.#open.size >= maxCursors && oldest !== undefined) this.#open.delete(oldest);
    const id = this.#nextId;
    this.#nextId += 1n;
    this.#open.set(id, cursor);
    return { documents: batch, id };
  }

  /** Throws CursorNotFound when it was exhausted, killed or idle for too long. */
  next(namespace: string, id: bigint, size: number): Batch {
    const cursor = this.#open.get(id);
    if (cursor === undefined) throw new CommandError(43, `cursor id ${id} not found`);
    if (cursor.namespace !== namespace) {
      throw new CommandError(
        13,
        `Requested getMore on namespace '${namespace}', but cursor belongs to '${cursor.namespace}'`,
      );
    }
    this.#open.delete(id); // a cursor whose read fails is gone
    const documents = take(cursor, size);
    if (cursor.pending === undefined) return { documents, id: 0n };
    cursor.lastUsed = Date.now();
    this.#open.set(id, cursor);
    return { documents, id };
  }

  kill(id: bigint): boolean {
    return this.#open.delete(id);
  }

  closeIdle(now: number): void {
    for (const [id, cursor] of this.#open) {
      if (now - cursor.lastUsed < idleLimitMs) return;
      this.#open.delete(id);
    }
  }
}

/** Reads one document ahead, so that a client never fetches an empty last batch. */
function take(cursor: Cursor, size: number): readonly Buffer[] {
  const batch: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    if (cursor.pending === undefined) {
      const next = cursor.documents.next();
      if (next.done === true) return batch;
      cursor.pending = next.value;
    }
    if (batch.length >= size || (batch.length > 0 && bytes + cursor.pending.length > maxBatchBytes)) return batch;
    bytes += cursor.pending.length;
    batch.push(cursor.pending);
    cursor.pending = undefined;
  }
}
