/**
 * The frames of MongoDB's wire protocol: OP_MSG, and the legacy OP_QUERY that some drivers open a connection with.
 * Source: MongoDB manual, "MongoDB Wire Protocol".
 */
import { bsonType, buildDocument, decodeDocument, findElement, forEachElement } from "../semantics/bson.js";
import type { Document, NamedRawValue } from "../semantics/bson.js";
import type { Request } from "../commands/command.js";

const opReply = 1;
const opQuery = 2004;
const opMsg = 2013;

const headerBytes = 16;
const checksumPresent = 1;
const moreToCome = 2;
/** Required bits are the lower sixteen; a server must refuse those that it does not know. */
const unknownRequiredBits = 0xffff & ~(checksumPresent | moreToCome);

export interface Message {
  readonly requestId: number;
  readonly legacy: boolean;
  /** The client waits for an answer; it does not to an unacknowledged write. */
  readonly wantsReply: boolean;
  readonly request: Request;
}

/** Bytes that are no message of this protocol: the connection cannot go on. */
export class ProtocolError extends Error {}

/** The length of the message that begins here, or undefined while its header is not there yet. */
export function messageLength(bytes: Buffer, maxBytes: number): number | undefined {
  if (bytes.length < 4) return undefined;
  const length = bytes.readInt32LE(0);
  if (length < headerBytes || length > maxBytes) {
    throw new ProtocolError(`a message of ${length} bytes is not between ${headerBytes} and ${maxBytes}`);
  }
  return length;
}

export function parseMessage(bytes: Buffer): Message {
  const requestId = bytes.readInt32LE(4);
  const opCode = bytes.readInt32LE(12);
  switch (opCode) {
    case opMsg:
      return parseOpMsg(bytes, requestId);
    case opQuery:
      return parseOpQuery(bytes, requestId);
    default:
      throw new ProtocolError(`the operation code ${opCode} is not supported; this store speaks OP_MSG`);
  }
}

function documentAt(bytes: Buffer, start: number, limit: number): Buffer {
  const size = start + 5 <= limit ? bytes.readInt32LE(start) : -1;
  if (size < 5 || start + size > limit) throw new ProtocolError("a document runs over the end of its message");
  return bytes.subarray(start, start + size);
}

function parseOpMsg(bytes: Buffer, requestId: number): Message {
  if (bytes.length < headerBytes + 4) throw new ProtocolError("an OP_MSG has no flags");
  const flags = bytes.readUInt32LE(headerBytes);
  if ((flags & unknownRequiredBits) !== 0) throw new ProtocolError(`unknown required flags 0x${flags.toString(16)}`);
  const end = bytes.length - ((flags & checksumPresent) === 0 ? 0 : 4);
  let body: Buffer | undefined;
  const sequences = new Map<string, readonly Buffer[]>();
  let at = headerBytes + 4;
  while (at < end) {
    const kind = bytes[at];
    at += 1;
    if (kind === 0) {
      body = documentAt(bytes, at, end);
      at += body.length;
    } else if (kind === 1) {
      const sectionEnd = at + 4 <= end ? at + bytes.readInt32LE(at) : -1;
      const nameEnd = bytes.indexOf(0, at + 4);
      if (sectionEnd > end || nameEnd === -1 || nameEnd >= sectionEnd)
        throw new ProtocolError("a section runs over its message");
      sequences.set(bytes.toString("utf8", at + 4, nameEnd), documentsBetween(bytes, nameEnd + 1, sectionEnd));
      at = sectionEnd;
    } else {
      throw new ProtocolError(`unknown section kind ${kind ?? "none"}`);
    }
  }
  if (body === undefined) throw new ProtocolError("an OP_MSG has no body");
  return { requestId, legacy: false, wantsReply: (flags & moreToCome) === 0, request: requestOf(body, sequences) };
}

function documentsBetween(bytes: Buffer, start: number, end: number): readonly Buffer[] {
  const documents: Buffer[] = [];
  for (let at = start; at < end;) {
    const document = documentAt(bytes, at, end);
    documents.push(document);
    at += document.length;
  }
  return documents;
}

/** The documents of an insert stay bytes; everything else is decoded. */
function requestOf(body: Buffer, sequences: ReadonlyMap<string, readonly Buffer[]>): Request {
  const elements: NamedRawValue[] = [];
  forEachElement(body, 0, (type, nameStart, nameEnd, start, end) => {
    elements.push({ name: body.toString("utf8", nameStart, nameEnd), value: { type, bytes: body, start, end } });
  });
  const name = elements[0]?.name ?? "";
  const decoded: Document = {};
  for (const [field, documents] of sequences) if (field !== "documents") decoded[field] = documents.map(decodeDocument);
  if (name !== "insert") return { name, body: { ...decodeDocument(body), ...decoded }, documents: [] };
  const rest = buildDocument(elements.filter((element) => element.name !== "documents"));
  return {
    name,
    body: { ...decodeDocument(rest), ...decoded },
    documents: sequences.get("documents") ?? documentsIn(body),
  };
}

function documentsIn(body: Buffer): readonly Buffer[] {
  const array = findElement(body, 0, "documents");
  const documents: Buffer[] = [];
  if (array?.type !== bsonType.array) return documents;
  forEachElement(body, array.start, (type, _nameStart, _nameEnd, start, end) => {
    if (type !== bsonType.object) throw new ProtocolError("an insert holds something that is no document");
    documents.push(body.subarray(start, end));
  });
  return documents;
}

function parseOpQuery(bytes: Buffer, requestId: number): Message {
  const nameEnd = bytes.indexOf(0, headerBytes + 4);
  if (nameEnd === -1) throw new ProtocolError("an OP_QUERY has no collection");
  const database = bytes.toString("utf8", headerBytes + 4, nameEnd).split(".")[0] ?? "admin";
  const body = documentAt(bytes, nameEnd + 1 + 8, bytes.length);
  const request = requestOf(body, new Map());
  return {
    requestId,
    legacy: true,
    wantsReply: true,
    request: { ...request, body: { ...request.body, $db: database } },
  };
}

/** The frame around a reply. */
export function frameReply(message: Message, requestId: number, reply: Buffer): readonly Buffer[] {
  const head = Buffer.alloc(message.legacy ? headerBytes + 20 : headerBytes + 5);
  head.writeInt32LE(head.length + reply.length, 0);
  head.writeInt32LE(requestId, 4);
  head.writeInt32LE(message.requestId, 8);
  head.writeInt32LE(message.legacy ? opReply : opMsg, 12);
  if (message.legacy) {
    head.writeInt32LE(8, headerBytes); // AwaitCapable, as every server since 2.6 sets it
    head.writeInt32LE(1, headerBytes + 16); // one document
  }
  // One write for a small answer is cheaper than a copy saved.
  return reply.length < 65_536 ? [Buffer.concat([head, reply])] : [head, reply];
}
