/**
 * Finds the numbers in a message of the contract's JSON forms. Asked only for messages that were read and found right, so
 * whatever is not as expected is simply no plain message.
 */

export interface FoundNumber {
  /** Undefined for the device's time. */
  readonly metric: string | undefined;
  readonly from: number;
  readonly to: number;
}

/** One level of the object: the pairs of `{"name": number or object}`. */
const PAIR = /\s*"([^"\\]*)"\s*:\s*(?:(-?\d[\d.]*)|(\{)([^{}]*)\})\s*(,|$)/uy;
const OBJECT = /^(\s*\{)([^]*)\}\s*$/u;

/** In the order of the message: `{"ts": 1, "values": {"a": 2}}` or `{"a": 2}`, each value a number. */
export function findNumbers(payload: Buffer): readonly FoundNumber[] | undefined {
  // One character a byte, so that places are the same in both.
  const text = payload.toString("latin1");
  const object = OBJECT.exec(text);
  if (object === null) return undefined;
  const [, head = "", inner = ""] = object;
  const found: FoundNumber[] = [];
  let isLong = false;
  const pairs = pairsOf(inner, head.length);
  if (pairs === undefined) return undefined;
  for (const { name, number, object: values } of pairs) {
    if (values !== undefined) {
      const metrics = name === "values" ? pairsOf(values.text, values.from) : undefined;
      if (metrics === undefined || isLong) return undefined;
      isLong = true;
      for (const { name: metric, number: value } of metrics) {
        if (value === undefined) return undefined;
        found.push({ metric, ...value });
      }
    } else if (number !== undefined) {
      found.push({ metric: name === "ts" ? undefined : name, ...number });
    }
  }
  // "ts" beside metrics is for the ordinary way to refuse; names outside `values` are, too.
  const outside = pairs.filter(({ name }) => name !== "ts" && name !== "values").length;
  const hasTime = pairs.some(({ name }) => name === "ts");
  if (isLong ? outside > 0 : hasTime) return undefined;
  return found;
}

interface Pair {
  readonly name: string;
  readonly number?: { readonly from: number; readonly to: number };
  readonly object?: { readonly text: string; readonly from: number };
}

function pairsOf(text: string, offset: number): readonly Pair[] | undefined {
  const pairs: Pair[] = [];
  PAIR.lastIndex = 0;
  for (;;) {
    const at = PAIR.lastIndex;
    const match = PAIR.exec(text);
    if (match === null) return undefined;
    const [whole, name = "", number, brace, inner = "", end] = match;
    if (number !== undefined) {
      const from = offset + at + whole.lastIndexOf(number);
      pairs.push({ name, number: { from, to: from + number.length } });
    } else if (brace !== undefined) {
      pairs.push({ name, object: { text: inner, from: offset + at + whole.indexOf(brace) + 1 } });
    }
    if (end === "") return pairs;
  }
}
