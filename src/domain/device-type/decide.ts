import type { Decider } from "../decider.js";
import { DomainError } from "../error.js";
import { sameJson } from "../json.js";
import { isMetricName, METRIC_NAME_RULE } from "../metric.js";
import type { DeviceTypeCommand } from "./commands.js";
import type { DeviceTypeEvent, MetricDefinition } from "./events.js";
import { evolve, initialState } from "./state.js";
import type { DeviceTypeState } from "./state.js";

const MAX_METRICS = 256;

export function decide(command: DeviceTypeCommand, state: DeviceTypeState): readonly DeviceTypeEvent[] {
  const { tenantId, deviceType, metrics } = command.data;
  check(metrics);
  if (state.version > 0 && sameJson(metrics, state.metrics)) return [];
  return [{ type: "DeviceTypeDefined", data: { tenantId, deviceType, version: state.version + 1, metrics } }];
}

function check(metrics: readonly MetricDefinition[]): void {
  if (metrics.length === 0) throw new DomainError("INVALID_VALUE", "a device type needs at least one metric");
  if (metrics.length > MAX_METRICS) {
    throw new DomainError("LIMIT_EXCEEDED", `a device type has at most ${MAX_METRICS} metrics, not ${metrics.length}`);
  }
  const seen = new Set<string>();
  for (const { name, kind, min, max } of metrics) {
    if (!isMetricName(name))
      throw new DomainError("INVALID_VALUE", `metric ${JSON.stringify(name)}: ${METRIC_NAME_RULE}`);
    if (seen.has(name)) throw new DomainError("INVALID_VALUE", `metric ${name} is defined twice`);
    seen.add(name);
    if (kind !== "number" && (min !== undefined || max !== undefined)) {
      throw new DomainError("INVALID_VALUE", `metric ${name} is a ${kind}: only numbers have a min and a max`);
    }
    // NaN and infinities have no JSON: they would be stored as null and come back as no bound.
    if (!Number.isFinite(min ?? 0) || !Number.isFinite(max ?? 0)) {
      throw new DomainError("INVALID_VALUE", `metric ${name}: min and max are finite numbers`);
    }
    if (min !== undefined && max !== undefined && min > max) {
      throw new DomainError("INVALID_VALUE", `metric ${name}: min ${min} is above max ${max}`);
    }
  }
}

export const deviceTypeDecider: Decider<DeviceTypeState, DeviceTypeCommand, DeviceTypeEvent> = {
  initialState,
  decide,
  evolve,
};
