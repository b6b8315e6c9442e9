/** The way into mingo: aggregation expressions and stages, computed on documents as JavaScript sees them. */
import { ProcessingMode, Query } from "mingo";
import type { Options } from "mingo/types";
import { decodePromoted, encodeDocument, RawDocument } from "./bson.js";
import type { Document } from "./bson.js";
import { CommandError } from "./errors.js";
import type { Fields } from "./paths.js";

/** No scripts: `$where`, `$function` and `$accumulator` would run a client's code in this process. */
export const mingoOptions: Partial<Options> = { scriptEnabled: false, processingMode: ProcessingMode.CLONE_OFF };

/** Numbers and dates as JavaScript's own: the form of an operand that mingo computes with. */
export function promoted(value: unknown): unknown {
  return decodePromoted(encodeDocument({ v: value }))["v"];
}

function promotedFields(fields: Fields): Document {
  return fields instanceof RawDocument ? decodePromoted(fields.bytes) : decodePromoted(encodeDocument(fields));
}

/** mingo's complaint in the server's form: the operator stands in its message. */
export function asCommandError(error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const unregistered = /'?(\$\w+)'? is not registered/.exec(message)?.[1];
  if (unregistered !== undefined) return new CommandError(168, `Unrecognized expression '${unregistered}'`);
  return new CommandError(2, message);
}

export function withMingo<T>(compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    throw asCommandError(error);
  }
}

/** `{$expr: …}` */
export function compileExpression(expression: unknown): (fields: Fields) => boolean {
  const query = withMingo(() => new Query({ $expr: promoted(expression) }, mingoOptions));
  return (fields) => withMingo(() => query.test(promotedFields(fields)));
}
