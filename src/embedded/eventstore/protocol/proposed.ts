/** What both kinds of append and the deletes read from a request, with every mistake that a client can make in it named. */
import type { ProposedEvent } from "../storage/record.js";
import { invalidArgument, missingMetadata } from "./errors.js";
import type { sharedPb, streamsPb } from "./generated.js";

/** LMDB's keys have an end. */
const MAX_NAME_BYTES = 1_000;
const MAX_CONTENT_TYPE_BYTES = 255;

export function streamName(identifier: sharedPb.StreamIdentifier | undefined): string {
  const bytes = identifier?.getStreamName() ?? "";
  const name = typeof bytes === "string" ? Buffer.from(bytes, "base64").toString() : Buffer.from(bytes).toString();
  if (name === "") throw invalidArgument("The request names no stream. Give its name.");
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw invalidArgument(`The stream's name is longer than ${MAX_NAME_BYTES} bytes. Give a shorter one.`);
  }
  return name;
}

export function proposedEvent(
  message: streamsPb.AppendReq.ProposedMessage | streamsPb.BatchAppendReq.ProposedMessage,
): ProposedEvent {
  const properties = message.getMetadataMap();
  const type = properties.get("type");
  const contentType = properties.get("content-type");
  if (type === undefined || type === "" || contentType === undefined) throw missingMetadata();
  if (Buffer.byteLength(type) > MAX_NAME_BYTES) {
    throw invalidArgument(`The event type is longer than ${MAX_NAME_BYTES} bytes. Give a shorter one.`);
  }
  if (Buffer.byteLength(contentType) > MAX_CONTENT_TYPE_BYTES) {
    throw invalidArgument(`The content type is longer than ${MAX_CONTENT_TYPE_BYTES} bytes. Give a shorter one.`);
  }
  return {
    id: uuidBytes(message.getId()),
    type,
    contentType,
    metadata: message.getCustomMetadata_asU8(),
    data: message.getData_asU8(),
  };
}

/** A 64-bit number as text, bounded to what a double holds: no revision or position of ours is larger. */
export function boundedNumber(text: string): number {
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

function uuidBytes(uuid: sharedPb.UUID | undefined): Buffer {
  const structured = uuid?.getStructured();
  if (structured !== undefined) {
    const bytes = Buffer.allocUnsafe(16);
    bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(structured.getMostSignificantBits())), 0);
    bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(structured.getLeastSignificantBits())), 8);
    return bytes;
  }
  const bytes = Buffer.from((uuid?.getString() ?? "").replaceAll("-", ""), "hex");
  if (bytes.length !== 16)
    throw invalidArgument("An event has an id that is not a UUID. Give each event its own UUID.");
  return bytes;
}
