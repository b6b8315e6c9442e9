/**
 * Where a page of telemetry ended: a time, not a number of entries, so that what is stored meanwhile neither shifts nor
 * repeats what the next page gives. Opaque to callers.
 */
import { FleetlogError } from "../../platform/errors.js";

/** `ns`: nanoseconds since 1970 as digits, which numbers cannot hold. */
export function encodeCursor(ns: string): string {
  return Buffer.from(`t${ns}`).toString("base64url");
}

/** Throws BAD_REQUEST for what no page ended with. */
export function decodeCursor(cursor: string): bigint {
  const text = Buffer.from(cursor, "base64url").toString("latin1");
  if (!/^t-?\d{1,19}$/u.test(text)) {
    throw new FleetlogError("BAD_REQUEST", "`after` is not a cursor that a page of telemetry ended with");
  }
  return BigInt(text.slice(1));
}

/** RFC 3339 as InfluxDB writes it, with up to nine digits behind the second. */
export function nanosecondsOf(time: string): bigint {
  const point = time.indexOf(".");
  if (point < 0) return BigInt(Date.parse(time)) * 1_000_000n;
  const below = time.slice(point + 1, -1).padEnd(9, "0");
  return BigInt(Date.parse(`${time.slice(0, point)}Z`)) * 1_000_000n + BigInt(below);
}
