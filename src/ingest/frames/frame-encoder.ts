/** Puts frames together, line by line, in memory that is used again and again. */
import { FLAG_MAINTENANCE, GROUP_BYTES, HEADER_BYTES, LINE_BYTES, VERSION } from "./frame-layout.js";
import type { Reading } from "../reading.js";
import { pointOf } from "../writer/line-protocol.js";

/**
 * Also the bound under which a message of many readings is cut. Reached only while JetStream is busy with the frames
 * before (see frame-batcher.ts). More would share an acknowledgement for nothing: what is larger than a socket's read of
 * 64 KiB is put together from pieces by each of the frame's readers.
 */
export const MAX_FRAME_READINGS = 500;

/** Whose lines follow. One object stands for one device as it is: an other object begins a new group. */
export type LineOwner = Pick<Reading, "tenantId" | "deviceId" | "deviceType" | "site" | "maintenance">;

const INITIAL_BYTES = 256 * 1024;
const INITIAL_GROUP_BYTES = 16 * 1024;
/** A site has at most 64 characters (domain/device/details.ts). */
const MAX_SITE_BYTES = 256;
const MAX_OWNER_BYTES = GROUP_BYTES + 3 * 64 + 1 + MAX_SITE_BYTES;

export class FrameEncoder {
  /** Where a line may be written in place, its fields first, from `end` on, after `reserve`; see `commit`. */
  text: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  end = 0;
  #lines: Buffer = Buffer.allocUnsafeSlow(MAX_FRAME_READINGS * LINE_BYTES);
  #groups: Buffer = Buffer.allocUnsafeSlow(INITIAL_GROUP_BYTES);
  #groupsEnd = 0;
  #groupCount = 0;
  #groupAt = 0;
  #groupLines = 0;
  #groupFrom = 0;
  #owner: LineOwner | undefined;
  #count = 0;
  #receivedAt = 0;

  get readings(): number {
    return this.#count;
  }

  /** What the frame has in bytes by now. */
  get size(): number {
    return HEADER_BYTES + this.#count * LINE_BYTES + this.#groupsEnd + this.end;
  }

  add(reading: Reading): void {
    const line = pointOf(reading);
    // Three bytes for each UTF-16 unit are the most that UTF-8 needs.
    this.reserve(line.length * 3 + 1);
    const end = this.end + this.text.write(line, this.end);
    this.text[end] = 0x0a;
    const owner = this.#owner !== undefined && sameOwner(this.#owner, reading) ? this.#owner : reading;
    this.commit(owner, reading.timestamp, reading.receivedAt, end + 1);
  }

  /** Makes room for so many bytes of a line after `end`. */
  reserve(bytes: number): void {
    if (this.end + bytes > this.text.length) this.text = grown(this.text, this.end, this.end + bytes);
  }

  /** The line from `end` to `lineEnd`, its line feed included, is part of the frame. */
  commit(owner: LineOwner, timestamp: number, receivedAt: number, lineEnd: number): void {
    if (owner !== this.#owner) this.#begin(owner);
    if (this.#count === 0) this.#receivedAt = receivedAt;
    let at = this.#count * LINE_BYTES;
    if (at + LINE_BYTES > this.#lines.length) this.#lines = grown(this.#lines, at, at + LINE_BYTES);
    at = this.#lines.writeDoubleLE(timestamp, at);
    at = this.#lines.writeUInt32LE(lineEnd - this.end, at);
    this.#lines.writeInt32LE(offset(receivedAt - this.#receivedAt), at);
    this.#count += 1;
    this.#groupLines += 1;
    this.end = lineEnd;
  }

  /** The frame; the encoder is empty after it. */
  take(): Buffer {
    this.#endGroup();
    const linesEnd = HEADER_BYTES + this.#count * LINE_BYTES;
    const textFrom = linesEnd + this.#groupsEnd;
    const frame = Buffer.allocUnsafeSlow(textFrom + this.end);
    frame.writeUInt32LE(VERSION, 0);
    frame.writeUInt32LE(this.#count, 4);
    frame.writeUInt32LE(this.#groupCount, 8);
    frame.writeUInt32LE(this.#groupsEnd, 12);
    frame.writeDoubleLE(this.#receivedAt, 16);
    this.#lines.copy(frame, HEADER_BYTES, 0, this.#count * LINE_BYTES);
    this.#groups.copy(frame, linesEnd, 0, this.#groupsEnd);
    this.text.copy(frame, textFrom, 0, this.end);
    this.end = 0;
    this.#count = 0;
    this.#groupsEnd = 0;
    this.#groupCount = 0;
    this.#groupLines = 0;
    this.#owner = undefined;
    return frame;
  }

  #begin(owner: LineOwner): void {
    this.#endGroup();
    this.#owner = owner;
    const { tenantId, deviceId, deviceType, site, maintenance } = owner;
    if (this.#groupsEnd + MAX_OWNER_BYTES > this.#groups.length) {
      this.#groups = grown(this.#groups, this.#groupsEnd, this.#groupsEnd + MAX_OWNER_BYTES);
    }
    const groups = this.#groups;
    this.#groupAt = this.#groupsEnd;
    this.#groupCount += 1;
    let at = this.#groupAt + GROUP_BYTES;
    at += groups.write(`${tenantId}/${deviceId}${deviceType}`, at, "latin1");
    const siteBytes = site === undefined ? 0 : groups.write(site, at, MAX_SITE_BYTES);
    this.#groupsEnd = at + siteBytes;
    this.#groupFrom = this.end;
    groups.writeUInt32LE(siteBytes, this.#groupAt + 8);
    groups[this.#groupAt + 12] = tenantId.length;
    groups[this.#groupAt + 13] = deviceId.length;
    groups[this.#groupAt + 14] = deviceType.length;
    groups[this.#groupAt + 15] = maintenance === true ? FLAG_MAINTENANCE : 0;
  }

  #endGroup(): void {
    if (this.#owner !== undefined) {
      this.#groups.writeUInt32LE(this.#groupLines, this.#groupAt);
      this.#groups.writeUInt32LE(this.end - this.#groupFrom, this.#groupAt + 4);
    }
    this.#groupLines = 0;
  }
}

function grown(buffer: Buffer, used: number, needed: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, needed));
  buffer.copy(larger, 0, 0, used);
  return larger;
}

/** A frame is open for milliseconds; a clock that was set by weeks meanwhile is not worth more bytes. */
function offset(ms: number): number {
  return Math.max(-0x8000_0000, Math.min(0x7fff_ffff, ms));
}

function sameOwner(a: LineOwner, b: LineOwner): boolean {
  return (
    a.deviceId === b.deviceId &&
    a.tenantId === b.tenantId &&
    a.deviceType === b.deviceType &&
    a.site === b.site &&
    a.maintenance === b.maintenance
  );
}
