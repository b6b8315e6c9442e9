import type { ErrorCode } from "../../platform/errors.js";

/**
 * Why a message is not taken: a code of the error table and one sentence that names the place in the message.
 * A result and not an exception: refused messages are ordinary, and may come a hundred thousand times a second.
 */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

export function refusal(code: ErrorCode, message: string): Refusal {
  return { code, message };
}

/** A value as a message may quote it. */
export function quoted(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Uint8Array) return "bytes";
  if (typeof value === "object") return "an object";
  // Of binary formats; JSON has none, and its writer throws on them.
  if (typeof value === "bigint") return `${value}, which is beyond 2^53`;
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
