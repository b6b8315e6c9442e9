import type { MetricDefinition, PayloadCodec } from "../../domain/device-type/index.js";
import type { DeviceTypeId, TenantId } from "../../domain/ids.js";
import type { ReadModelDocument } from "../document.js";

/** `_id` is `{tenant}/{deviceType}`. */
export interface DeviceTypeDocument extends ReadModelDocument {
  readonly tenantId: TenantId;
  readonly deviceType: DeviceTypeId;
  readonly version: number;
  readonly metrics: readonly MetricDefinition[];
  readonly codec?: PayloadCodec;
  /** Seconds between two readings of a device in good health. */
  readonly reportEvery?: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}
