/** 64-bit integers of binary formats: JavaScript's numbers hold those up to 2^53 exactly. */

/** What protobufjs makes of a 64-bit field. */
interface LongLike {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

/** The number where it is exact, else a bigint, which the pipeline refuses with the place and the value. */
export function fromLong(value: unknown): number | bigint {
  if (typeof value === "number") return value;
  const { low, high, unsigned } = value as LongLike;
  const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return fromBigInt(unsigned ? bits : BigInt.asIntN(64, bits));
}

export function fromBigInt(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
