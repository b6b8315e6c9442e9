import type { PayloadCodec, MetricDefinition } from "../../../src/domain/device-type/index.js";
import type { DeviceAccess } from "../../../src/ingest/index.js";
import { accessOf } from "../../../src/ingest/registry/device-access.js";
import { deviceDocument } from "../support.js";

/** A device whose type says no more than what is given. */
export function accessWith(codec?: PayloadCodec, metrics?: readonly MetricDefinition[]): DeviceAccess {
  const named = metrics === undefined ? undefined : new Map(metrics.map((metric) => [metric.name, metric]));
  const type = codec === undefined ? { metrics: named } : { metrics: named, codec };
  return accessOf(deviceDocument("acme", "d1"), type);
}
