/**
 * A frame is what the doors put into JetStream: many readings that share one acknowledgement. One acknowledgement
 * a message would cost more than everything else that happens to it.
 *
 * It holds ready-made InfluxDB lines, each made once, in the gateway. What all lines of a device begin with stands in the
 * frame once for each run of them; the writer puts it before the others' bytes, and whoever else looks in takes from a line
 * what it needs. Format, version 2, little-endian:
 *
 *   u8 2 · u8 0 · u16 0 · u32 lines · u32 groups · u32 bytes of the group table · f64 receivedAt of the first line
 *   per line:  f64 timestamp · u32 bytes, its line feed included · i32 receivedAt, as ms after the first line's
 *   per group: u32 lines · u32 their bytes · u16 bytes of the site · u16 0 · u8 bytes of tenant · u8 device · u8 type
 *              · u8 flags · "tenant/device" · type · site in UTF-8
 *   the lines from their fields on, in UTF-8, each ended by a line feed
 *
 * A group is a run of lines of one device. A new form gets a new version byte; old ones stay readable, because frames
 * outlive the process that wrote them: version 1 (groups of readings as JSON) is made into version 2 when it is opened.
 */
import type { DeviceId, DeviceTypeId, TenantId } from "../../domain/ids.js";
import { FrameEncoder } from "./frame-encoder.js";
import { decodeFirstVersion } from "./frame-v1.js";
import { FLAG_MAINTENANCE, GROUP_BYTES, HEADER_BYTES, LINE_BYTES, VERSION } from "./frame-layout.js";
import type { Reading } from "../reading.js";
import { decodeFields } from "../writer/line-fields.js";
import { seriesOf } from "../writer/line-protocol.js";

export { FrameEncoder, MAX_FRAME_READINGS } from "./frame-encoder.js";

/** A run of lines of one device. */
export interface FrameGroup {
  /** `{tenant}/{device}`. */
  readonly key: string;
  readonly tenantId: TenantId;
  readonly deviceId: DeviceId;
  readonly deviceType: DeviceTypeId;
  readonly site: string | undefined;
  /** The device was in MAINTENANCE. */
  readonly maintenance: boolean;
  /** The index of its first line in the frame, and how many follow. */
  readonly first: number;
  readonly count: number;
  /** Where the fields of its first line begin in the frame's bytes, and where its last line ends. */
  readonly from: number;
  readonly to: number;
}

/** What a frame has of one device: enough for whoever only asks which windows got data. */
export interface FrameSpan extends Pick<FrameGroup, "tenantId" | "deviceId" | "deviceType" | "site"> {
  /** Of the devices' own times, ms. */
  readonly minTimestamp: number;
  readonly maxTimestamp: number;
}

/** A frame's bytes, opened: nothing is copied, nothing is decoded that is not asked for. */
export class FrameView {
  /** The whole frame. */
  readonly bytes: Buffer;
  readonly lines: number;
  readonly #groups: number;
  readonly #groupsFrom: number;
  readonly #textFrom: number;
  readonly #receivedAt: number;

  /** Throws when the bytes are no frame of version 2. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
    if (bytes.length < HEADER_BYTES) throw new Error("the frame is too short for its header");
    this.lines = bytes.readUInt32LE(4);
    this.#groups = bytes.readUInt32LE(8);
    this.#groupsFrom = HEADER_BYTES + this.lines * LINE_BYTES;
    this.#textFrom = this.#groupsFrom + bytes.readUInt32LE(12);
    this.#receivedAt = bytes.readDoubleLE(16);
    if (this.#textFrom > bytes.length) throw new Error("the frame is shorter than its header says");
  }

  /** The lines' bytes without what the groups have of them. */
  get size(): number {
    return this.bytes.length - this.#textFrom;
  }

  /** The device's own time of a line, ms. */
  timestampOf(line: number): number {
    return this.bytes.readDoubleLE(HEADER_BYTES + line * LINE_BYTES);
  }

  receivedAtOf(line: number): number {
    return this.#receivedAt + this.bytes.readInt32LE(HEADER_BYTES + line * LINE_BYTES + 12);
  }

  /** Its bytes from its fields on, the line feed included. */
  lengthOf(line: number): number {
    return this.bytes.readUInt32LE(HEADER_BYTES + line * LINE_BYTES + 8);
  }

  /** In the order of the lines. */
  *groups(): Generator<FrameGroup> {
    const { bytes } = this;
    let at = this.#groupsFrom;
    let first = 0;
    let from = this.#textFrom;
    for (let index = 0; index < this.#groups; index += 1) {
      const count = bytes.readUInt32LE(at);
      const to = from + bytes.readUInt32LE(at + 4);
      const siteBytes = bytes.readUInt16LE(at + 8);
      const tenantEnd = bytes[at + 12] ?? 0;
      const keyEnd = at + GROUP_BYTES + tenantEnd + 1 + (bytes[at + 13] ?? 0);
      const typeEnd = keyEnd + (bytes[at + 14] ?? 0);
      const maintenance = ((bytes[at + 15] ?? 0) & FLAG_MAINTENANCE) !== 0;
      const key = bytes.toString("latin1", at + GROUP_BYTES, keyEnd);
      yield {
        key,
        // Checked when the device was registered.
        tenantId: key.slice(0, tenantEnd) as TenantId,
        deviceId: key.slice(tenantEnd + 1) as DeviceId,
        deviceType: bytes.toString("latin1", keyEnd, typeEnd) as DeviceTypeId,
        site: siteBytes === 0 ? undefined : bytes.toString("utf8", typeEnd, typeEnd + siteBytes),
        maintenance,
        first,
        count,
        from,
        to,
      };
      at = typeEnd + siteBytes;
      from = to;
      first += count;
    }
  }

  /** The readings of a group, decoded; `skip`: not the first so many. */
  *readings(group: FrameGroup, skip = 0): Generator<Reading> {
    const end = group.first + group.count;
    let { from } = group;
    for (let line = group.first; line < end; line += 1) {
      const length = this.lengthOf(line);
      if (line >= group.first + skip) yield this.#reading(group, line, from, length);
      from += length;
    }
  }

  /** The text of each line, without its line feed. */
  *each(): Generator<string> {
    for (const group of this.groups()) {
      const series = seriesOf(group);
      let { from } = group;
      for (let line = group.first; line < group.first + group.count; line += 1) {
        const end = from + this.lengthOf(line);
        yield `${series} ${this.bytes.toString("utf8", from, end - 1)}`;
        from = end;
      }
    }
  }

  /** One line as it is in InfluxDB's line protocol, and what it says; for the few that are asked for by number. */
  line(wanted: number): { readonly text: string; readonly reading: Reading } | undefined {
    for (const group of this.groups()) {
      if (wanted >= group.first + group.count) continue;
      let { from } = group;
      for (let line = group.first; line < wanted; line += 1) from += this.lengthOf(line);
      const length = this.lengthOf(wanted);
      const text = `${seriesOf(group)} ${this.bytes.toString("utf8", from, from + length - 1)}`;
      return { text, reading: this.#reading(group, wanted, from, length) };
    }
    return undefined;
  }

  #reading(group: FrameGroup, line: number, from: number, length: number): Reading {
    const { tenantId, deviceId, deviceType, site, maintenance } = group;
    const end = this.bytes.lastIndexOf(0x20, from + length - 2);
    return {
      tenantId,
      deviceId,
      deviceType,
      ...(site === undefined ? {} : { site }),
      receivedAt: this.receivedAtOf(line),
      timestamp: this.timestampOf(line),
      ...decodeFields(this.bytes, from, end),
      ...(maintenance ? { maintenance } : {}),
    };
  }
}

/** Throws when the bytes are no frame of a version known here: a defect or a foreign publisher, never a device's doing. */
export function openFrame(data: Uint8Array): FrameView {
  switch (data[0]) {
    case VERSION:
      return new FrameView(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    case 1:
      return new FrameView(encodeFrame(decodeFirstVersion(data)));
    default:
      throw new Error(
        `a frame of version ${data[0] ?? "none"} cannot be read: this program knows the versions 1 and ${VERSION}`,
      );
  }
}

export function encodeFrame(readings: readonly Reading[]): Buffer {
  const encoder = new FrameEncoder();
  for (const reading of readings) encoder.add(reading);
  return encoder.take();
}

/** All readings of a frame. Throws as `openFrame` does. */
export function decodeFrame(data: Uint8Array): readonly Reading[] {
  return readingsOf(openFrame(data));
}

export function readingsOf(frame: FrameView): readonly Reading[] {
  const readings: Reading[] = [];
  for (const group of frame.groups()) readings.push(...frame.readings(group));
  return readings;
}

/** One for each run of a device's lines: a device may come more than once. Looks into no line. */
export function* frameSpans(frame: FrameView): Generator<FrameSpan> {
  for (const { tenantId, deviceId, deviceType, site, first, count } of frame.groups()) {
    let minTimestamp = Number.POSITIVE_INFINITY;
    let maxTimestamp = Number.NEGATIVE_INFINITY;
    for (let line = first; line < first + count; line += 1) {
      const timestamp = frame.timestampOf(line);
      if (timestamp < minTimestamp) minTimestamp = timestamp;
      if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    }
    yield { tenantId, deviceId, deviceType, site, minTimestamp, maxTimestamp };
  }
}
