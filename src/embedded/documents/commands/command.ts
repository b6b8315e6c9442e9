/** What a command is given and what it gives. */
import { Long } from "bson";
import type { Logger } from "../../../platform/logger.js";
import { buildDocument, bsonType, encodeDocument, rawValueOf } from "../semantics/bson.js";
import type { Document, NamedRawValue } from "../semantics/bson.js";
import type { Store } from "../storage/store.js";
import type { Cursors } from "./cursors.js";

export interface CommandContext {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly logger: Logger;
  readonly connectionId: number;
}

export interface Request {
  readonly name: string;
  /** Typed values; without the documents of an insert. */
  readonly body: Document;
  /** The documents of an insert, as the client encoded them. */
  readonly documents: readonly Buffer[];
}

/** A reply is a BSON document, `ok` included. */
export type Reply = Buffer;

export interface Command {
  /** The fields that it takes beside its own name and those that any command may carry; others are refused. */
  readonly fields: ReadonlySet<string> | "any";
  run(context: CommandContext, request: Request): Reply | Promise<Reply>;
}

export function ok(reply: Document = {}): Reply {
  return encodeDocument({ ...reply, ok: 1 });
}

export function element(name: string, value: unknown): NamedRawValue {
  return { name, value: rawValueOf(value) };
}

export function rawDocumentElement(name: string, bytes: Buffer): NamedRawValue {
  return { name, value: { type: bsonType.object, bytes, start: 0, end: bytes.length } };
}

/** `{cursor: {firstBatch | nextBatch: […], id, ns}, ok: 1}`, the documents copied in as they are. */
export function cursorReply(
  field: "firstBatch" | "nextBatch",
  batch: readonly Buffer[],
  id: bigint,
  namespace: string,
): Reply {
  const array = buildDocument(batch.map((document, i) => rawDocumentElement(String(i), document)));
  const cursor = buildDocument([
    { name: field, value: { type: bsonType.array, bytes: array, start: 0, end: array.length } },
    element("id", Long.fromBigInt(id)),
    element("ns", namespace),
  ]);
  return buildDocument([rawDocumentElement("cursor", cursor), element("ok", 1)]);
}
