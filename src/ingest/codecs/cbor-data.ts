/** CBOR (RFC 8949) as data, bounded and without throwing: what the CBOR codecs are made of. */
import { decode } from "cborg";
import { messageOf } from "../../platform/errors.js";
import { fromBigInt } from "./integers.js";

/** Nesting beyond it is refused before anything walks it: a stack that overflows would end every connection of the process. */
const MAX_DEPTH = 16;

export type CborData = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reason: string };

export interface CborOptions {
  /** Maps as `Map`, whose keys need not be texts. */
  readonly useMaps?: boolean;
}

/**
 * Tags that have a number or a time in them become what they mean (0, 1, 4, 5 of RFC 8949 §3.4, and 55799); big numbers
 * and 64-bit integers beyond 2^53 become bigints. Other tags are refused.
 */
export function readCbor(payload: Uint8Array, options: CborOptions = {}): CborData {
  if (payload.length === 0) return { ok: false, reason: "the payload is empty: send CBOR" };
  const tooDeep = depthProblem(payload);
  if (tooDeep !== undefined) return { ok: false, reason: tooDeep };
  try {
    const useMaps = options.useMaps ?? false;
    return { ok: true, value: decode(payload, { useMaps, rejectDuplicateMapKeys: true, tags }) };
  } catch (error) {
    return { ok: false, reason: `the payload is not CBOR that is read here: ${messageOf(error)}` };
  }
}

type TagDecoder = (inner: () => unknown) => unknown;

const tags: Readonly<Record<number, TagDecoder>> = {
  // A date and time as RFC 3339 writes it, and as seconds since 1970: ms, as all our times.
  0: (inner) => Date.parse(String(inner())),
  1: (inner) => Math.round(numberIn(inner()) * 1_000),
  2: (inner) => fromBigInt(magnitude(inner())),
  3: (inner) => fromBigInt(-1n - magnitude(inner())),
  4: (inner) => scaled(inner(), 10),
  5: (inner) => scaled(inner(), 2),
  55799: (inner) => inner(),
};

function numberIn(value: unknown): number {
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  throw new Error("a tagged time holds no number");
}

function magnitude(value: unknown): bigint {
  if (!(value instanceof Uint8Array) || value.length > 64)
    throw new Error("a big number is no text of at most 64 bytes");
  return BigInt(`0x${value.length === 0 ? "0" : Buffer.from(value).toString("hex")}`);
}

/** `[exponent, mantissa]`. Through its decimal notation, so that 273.15 is 273.15. */
function scaled(value: unknown, base: 2 | 10): number {
  if (!Array.isArray(value) || value.length !== 2) throw new Error("a decimal fraction is no [exponent, mantissa]");
  const [exponent, mantissa] = value.map(numberIn) as [number, number];
  return base === 10 ? Number(`${mantissa}e${exponent}`) : mantissa * 2 ** exponent;
}

/** Walks the heads only. The library recurses for each level. */
function depthProblem(bytes: Uint8Array): string | undefined {
  /** Items that are still to come on each open level; -1 for an indefinite one. */
  const open: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    const head = bytes[at] ?? 0;
    const major = head >> 5;
    const info = head & 31;
    at += 1;
    let argument = info;
    if (info >= 24 && info <= 27) {
      const size = 1 << (info - 24);
      argument = 0;
      for (let index = 0; index < size; index += 1) argument = argument * 256 + (bytes[at + index] ?? 0);
      at += size;
    }
    if (head === 0xff) {
      open.pop();
    } else if (major === 4 || major === 5 || major === 6) {
      if (open.length >= MAX_DEPTH) return `the payload is nested deeper than ${MAX_DEPTH} levels`;
      open.push(major === 6 ? 1 : info === 31 ? -1 : major === 4 ? argument : argument * 2);
      if (open.at(-1) !== 0) continue;
      open.pop();
    } else if (major === 2 || major === 3) {
      at += argument;
    }
    close(open);
  }
  return undefined;
}

/** An item has ended, and with it every level that it was the last of. */
function close(open: number[]): void {
  for (let left = open.at(-1); left !== undefined && left >= 0; left = open.at(-1)) {
    if (left > 1) {
      open[open.length - 1] = left - 1;
      return;
    }
    open.pop();
  }
}
