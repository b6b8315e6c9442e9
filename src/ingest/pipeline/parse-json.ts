import { isUtf8 } from "node:buffer";
import { jsonErrorPosition } from "./json-position.js";
import { refusal } from "./refusal.js";
import type { Refusal } from "./refusal.js";

export type Parsed = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly refusal: Refusal };

/** Reads a payload as JSON in UTF-8. Refuses with MALFORMED_PAYLOAD and the position. */
export function parseJson(payload: Buffer): Parsed {
  if (payload.length === 0) return malformed("the payload is empty: send JSON");
  if (!isUtf8(payload)) return malformed("the payload is not UTF-8 text: send JSON in UTF-8");
  const text = payload.toString("utf8");
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return malformed(describe(text));
  }
}

function describe(text: string): string {
  const position = jsonErrorPosition(text);
  if (position === undefined) return "the payload is not JSON: the mistake is far inside, after thousands of values";
  if (position >= text.length) return `the payload is not JSON: it ends too early, after ${text.length} characters`;
  const near = JSON.stringify(text.slice(position, position + 20));
  return `the payload is not JSON: ${near} at position ${position} does not belong there`;
}

function malformed(message: string): Parsed {
  return { ok: false, refusal: refusal("MALFORMED_PAYLOAD", message) };
}
