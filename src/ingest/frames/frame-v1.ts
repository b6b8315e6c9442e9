/**
 * The first version of frames, which may still lie in a stream: a byte 1, then UTF-8 JSON: an array of groups
 * `[tenant, device, type, site or 0, flags, reading…]`, a reading being `[receivedAt, timestamp, values]`.
 */
import type { DeviceId, DeviceTypeId, TenantId } from "../../domain/ids.js";
import { FLAG_MAINTENANCE } from "./frame-layout.js";
import type { MetricValue, Reading } from "../reading.js";

type TimedValues = readonly [receivedAt: number, timestamp: number, values: Readonly<Record<string, MetricValue>>];
type Group = readonly [
  tenantId: string,
  deviceId: string,
  deviceType: string,
  site: string | 0,
  flags: number,
  ...readings: TimedValues[],
];

export function decodeFirstVersion(data: Uint8Array): readonly Reading[] {
  const json = Buffer.from(data.buffer, data.byteOffset + 1, data.byteLength - 1).toString("utf8");
  return (JSON.parse(json) as readonly Group[]).flatMap(readingsOfGroup);
}

function readingsOfGroup([tenant, device, type, site, flags, ...readings]: Group): readonly Reading[] {
  const common = {
    tenantId: tenant as TenantId,
    deviceId: device as DeviceId,
    deviceType: type as DeviceTypeId,
    ...(site === 0 ? {} : { site }),
    ...((flags & FLAG_MAINTENANCE) === 0 ? {} : { maintenance: true as const }),
  };
  return readings.map(([receivedAt, timestamp, values]) => ({ ...common, receivedAt, timestamp, values }));
}
