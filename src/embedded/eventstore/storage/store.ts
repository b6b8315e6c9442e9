/**
 * The log and its index on LMDB, in four tables:
 *
 * - `log`: position → record. The truth; everything else could be rebuilt from it.
 * - `index`: [stream number, revision] → position.
 * - `heads`: stream name → its number, last revision and rules.
 * - `about`: the format's version and the next stream number.
 *
 * One writer (semantics/appender.ts) hands over groups of changes; a group is one LMDB transaction, committed (and, by
 * default, flushed to disk) before its promise resolves. Readers see committed groups only, each read in a snapshot of its own.
 */
import { mkdirSync } from "node:fs";
import { open } from "lmdb";
import type { Database } from "lmdb";
import { DataDamagedError, StoreFormatError, WriteRefusedError } from "./errors.js";
import { EventRecord } from "./record.js";
import { decodeHead, encodeHead } from "./stream-head.js";
import type { StreamHead } from "./stream-head.js";
import { lockDirectory } from "./directory-lock.js";

/** Raised when the layout of any table changes; a directory of another version is refused, by name. */
const FORMAT_VERSION = 1;

/** One event on its way to disk. */
export interface LogEntry {
  readonly position: number;
  readonly streamId: number;
  readonly revision: number;
  readonly record: Buffer;
}

export interface WriteGroup {
  readonly entries: readonly LogEntry[];
  readonly heads: ReadonlyMap<string, StreamHead>;
}

/** How much one read takes at most; it ends at whichever comes first (but never with nothing while there is something). */
export interface ReadLimit {
  readonly count: number;
  readonly bytes: number;
}

export interface StoreOptions {
  readonly mapSizeBytes: number;
  /** See `EventStoreOptions.flush`. */
  readonly flush: "before-answer" | "after-answer";
}

export interface Store {
  /** The position of the last committed event; 0 while there is none. */
  lastPosition(): number;
  /** One more than the largest stream number in use. */
  nextStreamId(): number;
  head(stream: string): StreamHead | undefined;
  /** Resolves once the group is committed, all of it. Throws `WriteRefusedError` if none of it is; the next may be tried. */
  write(group: WriteGroup): Promise<void>;
  /** Events from `from` (inclusive) towards the end. Throws `DataDamagedError`. */
  readLog(from: number, limit: ReadLimit): readonly EventRecord[];
  /** Events before `before` (exclusive) towards the start. Throws `DataDamagedError`. */
  readLogBackwards(before: number, limit: ReadLimit): readonly EventRecord[];
  /** Events of one stream from `from` to `to`, both inclusive; backwards if `to` is less. Throws `DataDamagedError`. */
  readStream(streamId: number, from: number, to: number, limit: ReadLimit): readonly EventRecord[];
  /** One event; `undefined` if the stream has none of that revision. Throws `DataDamagedError`. */
  readOne(streamId: number, revision: number): EventRecord | undefined;
  close(): Promise<void>;
}

/** Opens the directory at `path`, or makes it. Throws `StoreFormatError`, `DirectoryInUseError`. */
export function openStore(path: string, options: StoreOptions): Store {
  mkdirSync(path, { recursive: true });
  const unlock = lockDirectory(path);
  try {
    return openTables(path, options, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

function openTables(path: string, { mapSizeBytes, flush }: StoreOptions, unlock: () => void): Store {
  const root = open({
    path,
    mapSize: mapSizeBytes,
    maxDbs: 8,
    // Off: a commit is flushed before it is announced. On: it is flushed right after, in an order that leaves the file whole.
    overlappingSync: flush === "after-answer",
    // Off: every write is in a batch of ours; LMDB's own would bring promises that nobody can see fail.
    eventTurnBatching: false,
    encoding: "binary",
    cache: false,
  });
  const about = root.openDB<number, string>("about", { encoding: "msgpack" });
  const log: Database<Buffer, number> = root.openDB("log", { encoding: "binary" });
  const index: Database<number, [number, number]> = root.openDB("index", { encoding: "ordered-binary" });
  const heads: Database<Buffer, string> = root.openDB("heads", { encoding: "binary" });

  const version = about.get("format");
  if (version === undefined) about.putSync("format", FORMAT_VERSION);
  else if (version !== FORMAT_VERSION) throw new StoreFormatError(path, version, FORMAT_VERSION);

  let nextStreamId = about.get("nextStreamId") ?? 1;

  // A snapshot is kept for one turn of the event loop; a reader that was just woken by a commit wants the newest.
  let stale = false;
  const fresh = (): void => {
    if (stale) root.resetReadTxn();
    stale = false;
  };

  const at = (position: number): EventRecord => {
    const bytes = log.getBinary(position);
    if (bytes === undefined) throw new DataDamagedError(position);
    return checked(position, bytes);
  };
  // A failed commit rejects the promises of its puts (mostly one and the same) as well as the batch's, which is awaited.
  let last: Promise<boolean> | undefined;
  const covered = (put: Promise<boolean>): void => {
    if (put !== last) put.catch(() => undefined);
    last = put;
  };

  return {
    lastPosition: () => {
      fresh();
      for (const position of log.getKeys({ reverse: true, limit: 1 })) return position;
      return 0;
    },
    nextStreamId: () => nextStreamId,
    head: (stream) => {
      fresh();
      const bytes = heads.getBinaryFast(stream);
      return bytes === undefined ? undefined : decodeHead(bytes);
    },
    write: async ({ entries, heads: changed }) => {
      let largest = 0;
      const committed = root.batch(() => {
        for (const { position, streamId, revision, record } of entries) {
          covered(log.put(position, record));
          covered(index.put([streamId, revision], position));
        }
        for (const [stream, head] of changed) {
          covered(heads.put(stream, encodeHead(head)));
          largest = Math.max(largest, head.id);
        }
        if (largest >= nextStreamId) covered(about.put("nextStreamId", largest + 1));
      });
      try {
        await committed;
      } catch (error) {
        throw new WriteRefusedError(await causeOf(error));
      } finally {
        stale = true;
      }
      nextStreamId = Math.max(nextStreamId, largest + 1);
    },
    readLog: (from, limit) => {
      fresh();
      const rows = log.getRange({ start: from, limit: limit.count });
      return taken(
        rows.map(({ key, value }) => checked(key, value)),
        limit,
      );
    },
    readLogBackwards: (before, limit) => {
      fresh();
      // Range ends are exclusive and starts inclusive, in either direction.
      const rows = log.getRange({ start: before - 1, reverse: true, limit: limit.count });
      return taken(
        rows.map(({ key, value }) => checked(key, value)),
        limit,
      );
    },
    readStream: (streamId, from, to, limit) => {
      fresh();
      const reverse = to < from;
      const rows = index.getRange({
        start: [streamId, from],
        end: [streamId, reverse ? to - 1 : to + 1],
        reverse,
        limit: limit.count,
      });
      return taken(
        rows.map(({ value }) => at(value)),
        limit,
      );
    },
    readOne: (streamId, revision) => {
      fresh();
      const position = index.get([streamId, revision]);
      return position === undefined ? undefined : at(position);
    },
    close: async () => {
      await root.close();
      unlock();
    },
  };
}

/** LMDB's own error comes in a promise inside the error. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && "commitError" in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}

function taken(rows: Iterable<EventRecord>, limit: ReadLimit): EventRecord[] {
  const events: EventRecord[] = [];
  let bytes = 0;
  for (const event of rows) {
    events.push(event);
    bytes += event.bytes.length;
    if (bytes >= limit.bytes) break;
  }
  return events;
}

function checked(position: number, bytes: Buffer): EventRecord {
  const event = new EventRecord(position, bytes);
  if (!event.intact) throw new DataDamagedError(position);
  return event;
}
