import type { MetricDefinition } from "../../../src/domain/device-type/index.js";
import { deviceId, deviceTypeId, tenantId } from "../../../src/domain/ids.js";
import type { DeviceAccess } from "../../../src/ingest/index.js";

/** A device that may speak, as the pipeline and the limits ask for it. */
export function accessWith(
  changes: Partial<Omit<DeviceAccess, "type" | "tenantId" | "deviceId">> & {
    readonly tenantId?: string;
    readonly deviceId?: string;
    readonly metrics?: readonly MetricDefinition[];
    readonly reportEvery?: number;
  } = {},
): DeviceAccess {
  const { metrics, reportEvery, tenantId: tenant = "acme", deviceId: device = "d1", ...others } = changes;
  return {
    deviceType: deviceTypeId("sensor"),
    status: "ACTIVE",
    credentials: [],
    configuration: { version: 0, config: {} },
    revision: 1,
    ...others,
    tenantId: tenantId(tenant),
    deviceId: deviceId(device),
    type: {
      metrics: metrics === undefined ? undefined : new Map(metrics.map((metric) => [metric.name, metric])),
      ...(reportEvery === undefined ? {} : { reportEvery }),
    },
  };
}
