/** `$inc`, `$mul` and `$bit` on BSON's numbers: an int that overflows becomes a long, a double stays a double. */
import { Double, Int32, Long } from "bson";
import { CommandError } from "./errors.js";
import { isDecimal, numberOf } from "./values.js";

type Operation = "+" | "*";

function toBigInt(value: unknown): bigint | undefined {
  if (value instanceof Int32) return BigInt(value.value);
  if (Long.isLong(value)) return value.toBigInt();
  return undefined;
}

function whole(value: bigint, keepLong: boolean): Int32 | Long {
  if (!keepLong && value >= -0x8000_0000n && value <= 0x7fff_ffffn) return new Int32(Number(value));
  if (value < -0x8000_0000_0000_0000n || value > 0x7fff_ffff_ffff_ffffn) {
    throw new CommandError(2, "Failed to apply the operation: the result does not fit into a 64-bit integer");
  }
  return Long.fromBigInt(value);
}

export function calculate(left: unknown, operation: Operation, right: unknown): unknown {
  if (isDecimal(left) || isDecimal(right)) {
    throw new CommandError(238, "arithmetic on Decimal128 is not supported by this store");
  }
  const [a, b] = [toBigInt(left), toBigInt(right)];
  if (a !== undefined && b !== undefined) {
    return whole(operation === "+" ? a + b : a * b, Long.isLong(left) || Long.isLong(right));
  }
  const x = a === undefined ? numberOf(left) : Number(a);
  const y = b === undefined ? numberOf(right) : Number(b);
  if (x === undefined || y === undefined) throw new CommandError(14, "Cannot calculate with a value that is no number");
  return new Double(operation === "+" ? x + y : x * y);
}

export function bitwise(left: unknown, operation: "and" | "or" | "xor", right: unknown): unknown {
  const [a, b] = [toBigInt(left), toBigInt(right)];
  if (a === undefined || b === undefined) throw new CommandError(2, "Cannot apply $bit to a value that is no integer");
  const result = operation === "and" ? a & b : operation === "or" ? a | b : a ^ b;
  return whole(result, Long.isLong(left) || Long.isLong(right));
}
