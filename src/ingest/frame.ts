/**
 * A frame is what the doors put into JetStream: up to 200 readings that share one acknowledgement. One acknowledgement
 * a message would cost more than everything else that happens to it.
 *
 * Format: one version byte, then UTF-8 JSON: an array of groups `[tenant, device, type, site or 0, flags, reading…]`,
 * a reading being `[receivedAt, timestamp, values]`. Readings of one device that follow each other share a group, and
 * the text is put together reading by reading: neither objects nor names are kept or repeated for it.
 * A new form gets a new version byte; the old one stays readable, because frames outlive the process that wrote them.
 */
import type { DeviceId, DeviceTypeId, TenantId } from "../domain/ids.js";
import type { MetricValue, Reading } from "./reading.js";

/** Also the bound under which a message of many readings is cut. */
export const MAX_FRAME_READINGS = 200;

const VERSION = 1;
const MAINTENANCE = 1;

type Values = Readonly<Record<string, MetricValue>>;
type TimedValues = readonly [receivedAt: number, timestamp: number, values: Values];
type Group = readonly [
  tenantId: string,
  deviceId: string,
  deviceType: string,
  site: string | 0,
  flags: number,
  ...readings: TimedValues[],
];

/** Gathers readings into frames; used again and again. */
export class FrameEncoder {
  #text = "";
  #readings = 0;
  #last: Reading | undefined;

  get readings(): number {
    return this.#readings;
  }

  /** About what the frame has in bytes by now: exact for ASCII. */
  get size(): number {
    return this.#text.length + 3;
  }

  add(reading: Reading): void {
    const last = this.#last;
    if (last === undefined || !sameGroup(last, reading)) {
      if (last !== undefined) this.#text += "],";
      const { tenantId, deviceId, deviceType, site } = reading;
      // Ids hold nothing that JSON would escape (domain/ids.ts).
      this.#text += `["${tenantId}","${deviceId}","${deviceType}",${site === undefined ? "0" : JSON.stringify(site)},${reading.maintenance === true ? MAINTENANCE : 0}`;
      this.#last = reading;
    }
    this.#text += `,[${reading.receivedAt},${reading.timestamp},${JSON.stringify(reading.values)}]`;
    this.#readings += 1;
  }

  /** The frame; the encoder is empty after it. */
  take(): Uint8Array {
    const text = this.#last === undefined ? "[]" : `[${this.#text}]]`;
    this.#text = "";
    this.#readings = 0;
    this.#last = undefined;
    return Buffer.from(String.fromCharCode(VERSION) + text);
  }
}

export function encodeFrame(readings: readonly Reading[]): Uint8Array {
  const encoder = new FrameEncoder();
  for (const reading of readings) encoder.add(reading);
  return encoder.take();
}

/** Throws when the bytes are no frame of a version known here: a defect or a foreign publisher, never a device's doing. */
export function decodeFrame(data: Uint8Array): readonly Reading[] {
  const version = data[0];
  if (version !== VERSION) {
    throw new Error(`a frame of version ${version ?? "none"} cannot be read: this program knows version ${VERSION}`);
  }
  const json = Buffer.from(data.buffer, data.byteOffset + 1, data.byteLength - 1).toString("utf8");
  const readings: Reading[] = [];
  for (const group of JSON.parse(json) as readonly Group[]) decodeGroup(group, readings);
  return readings;
}

function decodeGroup(group: Group, into: Reading[]): void {
  const [tenant, device, type, site, flags] = group;
  const tenantId = tenant as TenantId;
  const deviceId = device as DeviceId;
  const deviceType = type as DeviceTypeId;
  const isPlain = site === 0 && flags === 0;
  const more = {
    ...(site === 0 ? {} : { site }),
    ...((flags & MAINTENANCE) === 0 ? {} : { maintenance: true as const }),
  };
  for (let index = 5; index < group.length; index += 1) {
    const [receivedAt, timestamp, values] = group[index] as TimedValues;
    const reading = { tenantId, deviceId, deviceType, receivedAt, timestamp, values };
    into.push(isPlain ? reading : Object.assign(reading, more));
  }
}

function sameGroup(a: Reading, b: Reading): boolean {
  return (
    a.deviceId === b.deviceId &&
    a.tenantId === b.tenantId &&
    a.deviceType === b.deviceType &&
    a.site === b.site &&
    a.maintenance === b.maintenance
  );
}
