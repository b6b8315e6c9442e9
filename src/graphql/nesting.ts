/** A bound on brackets within brackets, before the parser sees them: it calls itself for each, and would run out of stack. */
import { Lexer, Source, TokenKind } from "graphql";
import { FleetlogError } from "../platform/errors.js";

/** Far beyond MAX_DEPTH, with what an input may hold; far below what a stack holds. */
const MAX_NESTING = 200;

/** Throws QUERY_TOO_COMPLEX. What is no GraphQL at all is left to the parser, which says so better. */
export function checkNesting(text: string): void {
  // Brackets in strings and comments count here, so the words and signs are looked at only where it says "perhaps".
  if (deepest(characters(text)) <= MAX_NESTING || deepest(signs(text)) <= MAX_NESTING) return;
  throw new FleetlogError(
    "QUERY_TOO_COMPLEX",
    `the query has more than ${MAX_NESTING} brackets within each other: ask for less at once, and send values as variables`,
    { most: MAX_NESTING },
  );
}

function deepest(steps: Iterable<1 | -1>): number {
  let depth = 0;
  let most = 0;
  for (const step of steps) {
    depth += step;
    if (depth > most) most = depth;
  }
  return most;
}

function* characters(text: string): Iterable<1 | -1> {
  for (const [bracket] of text.matchAll(/[{[()\]}]/gu)) yield "{[(".includes(bracket) ? 1 : -1;
}

function* signs(text: string): Iterable<1 | -1> {
  const lexer = new Lexer(new Source(text));
  try {
    for (let { kind } = lexer.advance(); kind !== TokenKind.EOF; { kind } = lexer.advance()) {
      if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) yield 1;
      if (kind === TokenKind.BRACE_R || kind === TokenKind.BRACKET_R || kind === TokenKind.PAREN_R) yield -1;
    }
  } catch {
    // The parser will come to the same place, if nothing else is wrong before.
  }
}
