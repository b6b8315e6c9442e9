/**
 * Where a text stops being JSON. The engine's own message names no position on every version and quotes at length;
 * a person who debugs a device needs the place. Runs on refused messages only.
 */

const TOKEN =
  /[ \t\n\r]*(?:([[\]{}:,])|("(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])))/uy;

/** A look at all of a large message would keep every other device waiting. */
const MAX_TOKENS = 10_000;

type Expecting = "value" | "value-or-end" | "key" | "key-or-end" | "colon" | "comma-or-end" | "nothing";

/**
 * The offset, in characters, of the first token that does not fit; the text's length when it ends too early; `undefined`
 * when the mistake lies beyond the first 10,000 tokens.
 */
export function jsonErrorPosition(text: string): number | undefined {
  const open: ("[" | "{")[] = [];
  let expecting: Expecting = "value";
  let at = 0;
  for (let tokens = 0; tokens < MAX_TOKENS; tokens += 1) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    const start = at + (/^[ \t\n\r]*/u.exec(text.slice(at))?.[0].length ?? 0);
    if (match === null) return start;
    const [whole, mark, string] = match;
    const next = step(expecting, mark ?? (string === undefined ? "scalar" : "string"), open);
    if (next === undefined) return start;
    expecting = next;
    at += whole.length;
  }
  return undefined;
}

function step(expecting: Expecting, token: string, open: ("[" | "{")[]): Expecting | undefined {
  const wantsValue = expecting === "value" || expecting === "value-or-end";
  switch (token) {
    case "[":
      if (wantsValue) open.push("[");
      return wantsValue ? "value-or-end" : undefined;
    case "{":
      if (wantsValue) open.push("{");
      return wantsValue ? "key-or-end" : undefined;
    case "]":
      if ((expecting !== "value-or-end" && expecting !== "comma-or-end") || open.pop() !== "[") return undefined;
      return afterValue(open);
    case "}":
      if ((expecting !== "key-or-end" && expecting !== "comma-or-end") || open.pop() !== "{") return undefined;
      return afterValue(open);
    case ":":
      return expecting === "colon" ? "value" : undefined;
    case ",":
      if (expecting !== "comma-or-end") return undefined;
      return open.at(-1) === "{" ? "key" : "value";
    case "string":
      if (expecting === "key" || expecting === "key-or-end") return "colon";
      return wantsValue ? afterValue(open) : undefined;
    default:
      return wantsValue ? afterValue(open) : undefined;
  }
}

function afterValue(open: readonly string[]): Expecting {
  return open.length === 0 ? "nothing" : "comma-or-end";
}
