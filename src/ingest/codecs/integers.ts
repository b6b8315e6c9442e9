/** 64-bit integers of binary formats: JavaScript's numbers hold those up to 2^53 exactly. */

/** What protobufjs makes of a 64-bit field. */
interface LongLike {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

const TWO_32 = 2 ** 32;
/** Of the upper half: below it both halves fit a number exactly. */
const MAX_HIGH = 2 ** 21;

/** The number where it is exact, else a bigint, which the pipeline refuses with the place and the value. */
export function fromLong(value: unknown): number | bigint {
  if (typeof value === "number") return value;
  const { low, high, unsigned } = value as LongLike;
  const upper = unsigned ? high >>> 0 : high;
  // Times and counters end here; a bigint costs a hundred times as much.
  if (upper < MAX_HIGH && upper > -MAX_HIGH) return upper * TWO_32 + (low >>> 0);
  return fromBigInt(BigInt(upper) * BigInt(TWO_32) + BigInt(low >>> 0));
}

export function fromBigInt(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
