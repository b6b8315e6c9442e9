/**
 * How one event lies on disk. The log is read far more often than it is written, and almost always to be sent on,
 * so a record is decoded lazily: the parts stay where they are and are copied once, into the answer.
 *
 * Layout, big endian (part of the storage format; see `FORMAT_VERSION` in store.ts):
 *
 * | at | bytes | what                                    |
 * | -- | ----- | --------------------------------------- |
 * | 0  | 4     | CRC-32 of everything that follows       |
 * | 4  | 6     | created, milliseconds since the epoch   |
 * | 10 | 6     | revision in its stream                  |
 * | 16 | 16    | event id                                |
 * | 32 | 2     | length of the stream name               |
 * | 34 | 2     | length of the event type                |
 * | 36 | 1     | length of the content type, 0 for JSON  |
 * | 37 | 4     | length of the metadata                  |
 * | 41 |       | stream, type, content type, metadata, data |
 */
import { crc32 } from "node:zlib";

const HEADER = 41;
const JSON_CONTENT_TYPE = Buffer.from("application/json");

/** An event as a client proposes it. */
export interface ProposedEvent {
  /** 16 bytes. */
  readonly id: Buffer;
  readonly type: string;
  readonly contentType: string;
  readonly metadata: Uint8Array;
  readonly data: Uint8Array;
}

/** A stored event: its place in the log, and views on the parts of its record. */
export class EventRecord {
  /** Its place in the log: 1, 2, 3 …; commit and prepare position are this one number. */
  readonly position: number;
  readonly bytes: Buffer;
  readonly #typeAt: number;
  readonly #contentTypeAt: number;
  readonly #metadataAt: number;
  readonly #dataAt: number;

  constructor(position: number, bytes: Buffer) {
    this.position = position;
    this.bytes = bytes;
    this.#typeAt = HEADER + bytes.readUInt16BE(32);
    this.#contentTypeAt = this.#typeAt + bytes.readUInt16BE(34);
    this.#metadataAt = this.#contentTypeAt + bytes.readUInt8(36);
    this.#dataAt = this.#metadataAt + bytes.readUInt32BE(37);
  }

  get createdMs(): number {
    return this.bytes.readUIntBE(4, 6);
  }
  get revision(): number {
    return this.bytes.readUIntBE(10, 6);
  }
  get id(): Buffer {
    return this.bytes.subarray(16, 32);
  }
  get stream(): Buffer {
    return this.bytes.subarray(HEADER, this.#typeAt);
  }
  get type(): Buffer {
    return this.bytes.subarray(this.#typeAt, this.#contentTypeAt);
  }
  get contentType(): Buffer {
    if (this.#contentTypeAt === this.#metadataAt) return JSON_CONTENT_TYPE;
    return this.bytes.subarray(this.#contentTypeAt, this.#metadataAt);
  }
  get metadata(): Buffer {
    return this.bytes.subarray(this.#metadataAt, this.#dataAt);
  }
  get data(): Buffer {
    return this.bytes.subarray(this.#dataAt);
  }
  /** Whether the bytes are the ones that were written. */
  get intact(): boolean {
    return crc32(this.bytes.subarray(4)) === this.bytes.readUInt32BE(0);
  }
}

export function encodeRecord(stream: string, revision: number, createdMs: number, event: ProposedEvent): Buffer {
  const contentType = event.contentType === "application/json" ? "" : event.contentType;
  const streamLength = Buffer.byteLength(stream);
  const typeLength = Buffer.byteLength(event.type);
  const contentTypeLength = Buffer.byteLength(contentType);
  const bytes = Buffer.allocUnsafe(
    HEADER + streamLength + typeLength + contentTypeLength + event.metadata.length + event.data.length,
  );
  bytes.writeUIntBE(createdMs, 4, 6);
  bytes.writeUIntBE(revision, 10, 6);
  bytes.set(event.id, 16);
  bytes.writeUInt16BE(streamLength, 32);
  bytes.writeUInt16BE(typeLength, 34);
  bytes.writeUInt8(contentTypeLength, 36);
  bytes.writeUInt32BE(event.metadata.length, 37);
  let at = HEADER;
  at += bytes.write(stream, at);
  at += bytes.write(event.type, at);
  at += bytes.write(contentType, at);
  bytes.set(event.metadata, at);
  bytes.set(event.data, at + event.metadata.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(4)), 0);
  return bytes;
}
