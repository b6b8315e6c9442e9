import type { MetricDefinition } from "../../domain/device-type/index.js";
import type { DeviceTypeId, TenantId } from "../../domain/ids.js";
import type { ReadModelDocument } from "../document.js";

/** `_id` is `{tenant}/{deviceType}`. */
export interface DeviceTypeDocument extends ReadModelDocument {
  readonly tenantId: TenantId;
  readonly deviceType: DeviceTypeId;
  readonly version: number;
  readonly metrics: readonly MetricDefinition[];
  readonly createdAt: string;
  readonly updatedAt: string;
}
