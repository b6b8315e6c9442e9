import { DomainError } from "./error.js";

/** What JSON can say. Event data and device configuration hold nothing else. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Configuration and metadata are bounded so that one device's stream stays readable in one go. */
const MAX_JSON_BYTES = 64 * 1024;

/** Objects and arrays within each other. The document store takes 100 levels, and some are ours. */
export const MAX_JSON_DEPTH = 32;

/** A surrogate without its other half, which no UTF-8 can say. */
const HALF_A_CHARACTER = /\p{Cs}/u;

/**
 * Throws INVALID_VALUE, naming the field, for what could be decided and then not be kept or shown as it was said: one event
 * that the document store refuses would hold up the read model of every tenant.
 */
export function checkJson(field: string, value: JsonValue): void {
  const problem = jsonProblem(value);
  if (problem !== undefined) throw new DomainError("INVALID_VALUE", `${field} ${problem}`);
  if (jsonBytes(value) > MAX_JSON_BYTES) {
    throw new DomainError("INVALID_VALUE", `${field} has at most ${MAX_JSON_BYTES} bytes of JSON`);
  }
}

/** What is wrong with it, as the end of a sentence. A stack of its own: what comes from outside may be deeper than the machine's. */
export function jsonProblem(value: unknown): string | undefined {
  const left: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value: one, depth } = next;
    // A number such as 1e999 reads as one.
    if (typeof one === "number" && !Number.isFinite(one)) return "holds a number that is too large";
    if (typeof one === "string" && HALF_A_CHARACTER.test(one))
      return "holds a text that is not Unicode (half a character)";
    if (typeof one !== "object" || one === null) continue;
    if (depth === MAX_JSON_DEPTH) return `has at most ${MAX_JSON_DEPTH} levels of objects and arrays`;
    for (const [key, entry] of Object.entries(one)) {
      if (key === "__proto__" || key.includes("\0") || HALF_A_CHARACTER.test(key)) {
        return `holds the key ${JSON.stringify(key.slice(0, 80))}, which cannot be kept: call it something else`;
      }
      left.push({ value: entry, depth: depth + 1 });
    }
  }
  return undefined;
}

export function jsonBytes(value: JsonValue): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

/**
 * Whether both say the same in JSON: the order of an object's keys says nothing (clients and drivers shuffle it),
 * and a key whose value is `undefined` is not there.
 */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = definedEntries(a);
  const right = new Map(definedEntries(b));
  return left.length === right.size && left.every(([key, value]) => right.has(key) && sameJson(value, right.get(key)));
}

function definedEntries(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, entry]) => entry !== undefined);
}
