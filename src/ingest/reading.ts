import type { DeviceId, DeviceTypeId, TenantId } from "../domain/ids.js";

export type MetricValue = number | string | boolean;

/** One reading set of one device, as it travels from the doors to the writer, the processor and the relay. */
export interface Reading {
  readonly tenantId: TenantId;
  readonly deviceId: DeviceId;
  readonly deviceType: DeviceTypeId;
  readonly site?: string;
  /** When the platform took it in, ms since the epoch. */
  readonly receivedAt: number;
  /** The device's own time, ms since the epoch; `receivedAt` where the device gave none. */
  readonly timestamp: number;
  readonly values: Readonly<Record<string, MetricValue>>;
  /**
   * By metric: what makes its value doubtful, flags of pipeline/quality/flags.ts joined by "|". A metric without a flag has no entry, and
   * a reading without any has no `quality`. It is stored in the field `{metric}:q`, and is no part of a reading's identity.
   */
  readonly quality?: Readonly<Record<string, string>>;
  /** The device was in MAINTENANCE: the reading is kept, but rules should not raise alerts on it. */
  readonly maintenance?: true;
}
