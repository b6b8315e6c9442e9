/**
 * A stored event as a `ReadResp` frame, written straight from the record's bytes: the generated encoder takes ten times as long,
 * and reads are the busiest thing here. Field numbers are those of streams.proto and shared.proto, beside each line.
 */
import type { EventRecord } from "../storage/record.js";
import { writeFrameHeader } from "./frames.js";

/** How the reader wants event ids: as text (the Node.js client), or as two 64-bit halves (some others). */
export type IdForm = "string" | "structured";

/** An upper bound of everything in a frame that is not in the record: tags, lengths, numbers, the id, map keys. */
const OVERHEAD = 300;

/** One frame per event, in order. */
export function encodeEvents(events: readonly EventRecord[], idForm: IdForm): Buffer {
  let bound = 0;
  for (const event of events) bound += event.bytes.length + OVERHEAD;
  const bytes = Buffer.allocUnsafe(bound);
  let at = 0;
  for (const event of events) at = writeEvent(bytes, at, event, idForm);
  return bytes.subarray(0, at);
}

function writeEvent(bytes: Buffer, start: number, event: EventRecord, idForm: IdForm): number {
  const { position, revision, stream, type, contentType, metadata, data } = event;
  const created = `${event.createdMs}0000`; // 100 ns ticks since the epoch
  const id = idForm === "string" ? stringId(event.id) : structuredId(event.id);
  const positionSize = varintSize(position);
  const size =
    fieldSize(id.length) +
    fieldSize(fieldSize(stream.length)) +
    (1 + varintSize(revision)) +
    2 * (1 + positionSize) +
    fieldSize(entrySize(TYPE, type.length)) +
    fieldSize(entrySize(CREATED, created.length)) +
    fieldSize(entrySize(CONTENT_TYPE, contentType.length)) +
    fieldSize(metadata.length) +
    fieldSize(data.length);
  const readEventSize = fieldSize(size) + 1 + positionSize;

  let at = writeFrameHeader(bytes, start, fieldSize(readEventSize));
  at = writeTag(bytes, at, 0x0a, readEventSize); // ReadResp.event = 1
  at = writeTag(bytes, at, 0x0a, size); // ReadEvent.event = 1
  at = writeBytes(bytes, at, 0x0a, id); // RecordedEvent.id = 1
  at = writeTag(bytes, at, 0x12, fieldSize(stream.length)); // stream_identifier = 2
  at = writeBytes(bytes, at, 0x1a, stream); // StreamIdentifier.stream_name = 3
  at = writeNumber(bytes, at, 0x18, revision); // stream_revision = 3
  at = writeNumber(bytes, at, 0x20, position); // prepare_position = 4
  at = writeNumber(bytes, at, 0x28, position); // commit_position = 5
  at = writeEntry(bytes, at, TYPE, type); // metadata = 6
  at = writeTag(bytes, at, 0x32, entrySize(CREATED, created.length));
  at = writeBytes(bytes, at, 0x0a, CREATED);
  at = writeTag(bytes, at, 0x12, created.length);
  at += bytes.write(created, at, "latin1");
  at = writeEntry(bytes, at, CONTENT_TYPE, contentType);
  at = writeBytes(bytes, at, 0x3a, metadata); // custom_metadata = 7
  at = writeBytes(bytes, at, 0x42, data); // data = 8
  return writeNumber(bytes, at, 0x18, position); // ReadEvent.commit_position = 3
}

const TYPE = Buffer.from("type");
const CREATED = Buffer.from("created");
const CONTENT_TYPE = Buffer.from("content-type");

/** UUID.string = 2 */
function stringId(id: Buffer): Buffer {
  const hex = id.toString("hex");
  const bytes = Buffer.allocUnsafe(38);
  bytes[0] = 0x12;
  bytes[1] = 36;
  bytes.write(
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
    2,
    "latin1",
  );
  return bytes;
}

/** UUID.structured = 1: most_significant_bits = 1, least_significant_bits = 2 */
function structuredId(id: Buffer): Buffer {
  const halves = Buffer.allocUnsafe(24);
  halves[0] = 0x0a;
  let at = 2;
  for (const [tag, half] of [
    [0x08, id.readBigUInt64BE(0)],
    [0x10, id.readBigUInt64BE(8)],
  ] as const) {
    halves[at] = tag;
    at += 1;
    let rest = half;
    for (; rest >= 0x80n; rest >>= 7n) {
      halves[at] = Number(rest & 0x7fn) | 0x80;
      at += 1;
    }
    halves[at] = Number(rest);
    at += 1;
  }
  halves[1] = at - 2;
  return halves.subarray(0, at);
}

function entrySize(key: Buffer, valueLength: number): number {
  return fieldSize(key.length) + fieldSize(valueLength);
}

function writeEntry(bytes: Buffer, start: number, key: Buffer, value: Buffer): number {
  let at = writeTag(bytes, start, 0x32, entrySize(key, value.length));
  at = writeBytes(bytes, at, 0x0a, key);
  return writeBytes(bytes, at, 0x12, value);
}

/** A tag of one byte, a length, and so many bytes. */
function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

function writeNumber(bytes: Buffer, at: number, tag: number, value: number): number {
  bytes[at] = tag;
  let end = at + 1;
  // Not with shifts: positions and revisions go beyond 32 bits.
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    bytes[end] = (rest % 0x80) | 0x80;
    end += 1;
  }
  bytes[end] = rest;
  return end + 1;
}

const writeTag = writeNumber;

function writeBytes(bytes: Buffer, at: number, tag: number, value: Buffer): number {
  const start = writeTag(bytes, at, tag, value.length);
  bytes.set(value, start);
  return start + value.length;
}
