/** What is kept of a stream beside its events: where it ends, and what hides its beginning. 37 bytes on disk. */
export interface StreamHead {
  /** The number that stands for the stream's name in the index. */
  readonly id: number;
  /** The last revision; -1 while the stream has no events (it may still have rules). */
  readonly revision: number;
  readonly rules: StreamRules;
}

/** What a stream's metadata says about which of its events can be read. */
export interface StreamRules {
  /** Events before this revision are hidden (`$tb`). */
  readonly truncateBefore: number;
  /** Only so many of the last events can be read (`$maxCount`); `Infinity` for all. */
  readonly maxCount: number;
  /** Events older than this, milliseconds, are hidden (`$maxAge`, there in seconds); `Infinity` for none. */
  readonly maxAgeMs: number;
  /** Deleted, softly: as if it were not there, until someone appends (`$tb` of 2⁶³-1). */
  readonly softDeleted: boolean;
  /** Tombstoned: gone, and its name with it. */
  readonly tombstoned: boolean;
}

export const NO_RULES: StreamRules = {
  truncateBefore: 0,
  maxCount: Infinity,
  maxAgeMs: Infinity,
  softDeleted: false,
  tombstoned: false,
};

const SIZE = 37;

export function encodeHead({ id, revision, rules }: StreamHead): Buffer {
  const bytes = Buffer.allocUnsafe(SIZE);
  bytes.writeUInt32BE(id, 0);
  bytes.writeDoubleBE(revision, 4);
  bytes.writeDoubleBE(rules.truncateBefore, 12);
  bytes.writeDoubleBE(rules.maxCount, 20);
  bytes.writeDoubleBE(rules.maxAgeMs, 28);
  bytes.writeUInt8((rules.softDeleted ? 1 : 0) | (rules.tombstoned ? 2 : 0), 36);
  return bytes;
}

export function decodeHead(bytes: Buffer): StreamHead {
  const flags = bytes.readUInt8(36);
  return {
    id: bytes.readUInt32BE(0),
    revision: bytes.readDoubleBE(4),
    rules: {
      truncateBefore: bytes.readDoubleBE(12),
      maxCount: bytes.readDoubleBE(20),
      maxAgeMs: bytes.readDoubleBE(28),
      softDeleted: (flags & 1) !== 0,
      tombstoned: (flags & 2) !== 0,
    },
  };
}
