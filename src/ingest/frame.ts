/**
 * A frame is what the doors put into JetStream: up to 200 readings that share one acknowledgement. One acknowledgement
 * a message would cost more than everything else that happens to it (DESIGN.md, "What the machine can do").
 *
 * Format: one version byte, then UTF-8 JSON: an array with a tuple per reading. Tuples, because repeating seven keys
 * per reading costs more than the reading. A new form gets a new version byte; the old one stays readable, because
 * frames outlive the process that wrote them.
 */
import type { DeviceId, DeviceTypeId, TenantId } from "../domain/ids.js";
import type { MetricValue, Reading } from "./reading.js";

/** Also the bound under which a message of many readings is cut. */
export const MAX_FRAME_READINGS = 200;

const VERSION = 1;
const MAINTENANCE = 1;

type Tuple = readonly [
  tenantId: string,
  deviceId: string,
  deviceType: string,
  site: string | 0,
  receivedAt: number,
  timestamp: number,
  values: Readonly<Record<string, MetricValue>>,
  flags: number,
];

export function encodeFrame(readings: readonly Reading[]): Uint8Array {
  const json = JSON.stringify(readings.map(toTuple));
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(json));
  bytes[0] = VERSION;
  bytes.write(json, 1);
  return bytes;
}

/** Throws when the bytes are no frame of a version known here: a defect or a foreign publisher, never a device's doing. */
export function decodeFrame(data: Uint8Array): readonly Reading[] {
  const version = data[0];
  if (version !== VERSION) {
    throw new Error(`a frame of version ${version ?? "none"} cannot be read: this program knows version ${VERSION}`);
  }
  const json = Buffer.from(data.buffer, data.byteOffset + 1, data.byteLength - 1).toString("utf8");
  return (JSON.parse(json) as Tuple[]).map(toReading);
}

function toTuple(reading: Reading): Tuple {
  return [
    reading.tenantId,
    reading.deviceId,
    reading.deviceType,
    reading.site ?? 0,
    reading.receivedAt,
    reading.timestamp,
    reading.values,
    reading.maintenance === true ? MAINTENANCE : 0,
  ];
}

function toReading([tenantId, deviceId, deviceType, site, receivedAt, timestamp, values, flags]: Tuple): Reading {
  const reading = {
    tenantId: tenantId as TenantId,
    deviceId: deviceId as DeviceId,
    deviceType: deviceType as DeviceTypeId,
    receivedAt,
    timestamp,
    values,
  };
  if (site === 0 && flags === 0) return reading;
  return { ...reading, ...(site === 0 ? {} : { site }), ...((flags & MAINTENANCE) === 0 ? {} : { maintenance: true }) };
}
