/** The record at a position is missing or not what was written. It is named and never served. */
export class DataDamagedError extends Error {
  constructor(readonly position: number) {
    super(
      `The event at position ${position} is damaged on disk and is not served. Restore the event store's directory from a backup.`,
    );
    this.name = "DataDamagedError";
  }
}

/** The disk did not take a group of changes; none of them is stored. A full disk is the usual reason (LMDB says "input/output error"). */
export class WriteRefusedError extends Error {
  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      `The event store's disk refused the write, and nothing was written (${reason}). Make room if it is full, then append again.`,
      { cause },
    );
    this.name = "WriteRefusedError";
  }
}

/** The directory was written by another version of this store. */
export class StoreFormatError extends Error {
  constructor(path: string, found: number, wanted: number) {
    super(
      `The event store at ${path} has format ${found}, and this program reads format ${wanted}. Use the version that wrote it.`,
    );
    this.name = "StoreFormatError";
  }
}

/** Two writers on one directory would each believe that they know where a stream ends. */
export class DirectoryInUseError extends Error {
  constructor(path: string, pid: number) {
    super(
      `The event store at ${path} is in use by process ${pid}. Stop that process, or give this one another directory.`,
    );
    this.name = "DirectoryInUseError";
  }
}
