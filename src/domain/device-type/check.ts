import { DomainError } from "../error.js";
import { isMetricName, METRIC_NAME_RULE } from "../metric.js";
import { checkLength } from "../text.js";
import type { DefineDeviceType } from "./commands.js";
import type { MetricDefinition, PayloadCodec, QualityChecks } from "./events.js";

const MAX_METRICS = 256;
/** A schema travels with every version of the type, and is compiled by every gateway. */
const MAX_SCHEMA_LENGTH = 64 * 1024;
const MAX_MESSAGE_LENGTH = 255;
const MAX_UNIT_LENGTH = 64;
const YEAR_S = 366 * 24 * 3600;

/** Throws INVALID_VALUE or LIMIT_EXCEEDED, naming what is wrong. That a schema can be compiled is checked where the command comes in. */
export function checkDefinition({ metrics, codec, reportEvery }: Omit<DefineDeviceType["data"], "tenantId">): void {
  checkMetrics(metrics);
  if (codec !== undefined) checkCodec(codec);
  if (reportEvery !== undefined && !(reportEvery > 0 && reportEvery <= YEAR_S)) {
    throw new DomainError(
      "INVALID_VALUE",
      `reportEvery ${reportEvery} is not more than 0 and at most ${YEAR_S} seconds`,
    );
  }
}

function checkMetrics(metrics: readonly MetricDefinition[]): void {
  if (metrics.length === 0) throw new DomainError("INVALID_VALUE", "a device type needs at least one metric");
  if (metrics.length > MAX_METRICS) {
    throw new DomainError("LIMIT_EXCEEDED", `a device type has at most ${MAX_METRICS} metrics, not ${metrics.length}`);
  }
  const seen = new Set<string>();
  for (const { name, kind, unit, min, max, quality } of metrics) {
    if (!isMetricName(name))
      throw new DomainError("INVALID_VALUE", `metric ${JSON.stringify(name)}: ${METRIC_NAME_RULE}`);
    if (seen.has(name)) throw new DomainError("INVALID_VALUE", `metric ${name} is defined twice`);
    seen.add(name);
    checkLength(`the unit of metric ${name}`, unit, MAX_UNIT_LENGTH);
    if (kind !== "number" && (min !== undefined || max !== undefined)) {
      throw new DomainError("INVALID_VALUE", `metric ${name} is a ${kind}: only numbers have a min and a max`);
    }
    checkRange(name, { min, max });
    if (quality !== undefined) checkQuality(name, kind, quality);
  }
}

function checkQuality(metric: string, kind: MetricDefinition["kind"], quality: QualityChecks): void {
  const { expectedMin, expectedMax, maxRate, stuckAfter } = quality;
  if (kind !== "number") {
    throw new DomainError("INVALID_VALUE", `metric ${metric} is a ${kind}: only numbers have quality checks`);
  }
  checkRange(metric, { expectedMin, expectedMax });
  for (const [field, value] of Object.entries({ maxRate, stuckAfter })) {
    if (value !== undefined && !(value > 0 && Number.isFinite(value))) {
      throw new DomainError("INVALID_VALUE", `metric ${metric}: ${field} ${value} is not a finite number above 0`);
    }
  }
}

/** Two bounds, the lower one first, by the names that people know them by. */
function checkRange(metric: string, bounds: Readonly<Record<string, number | undefined>>): void {
  const [[low, from] = [], [high, to] = []] = Object.entries(bounds);
  // NaN and infinities have no JSON: they would be stored as null and come back as no bound.
  if (!Number.isFinite(from ?? 0) || !Number.isFinite(to ?? 0)) {
    throw new DomainError("INVALID_VALUE", `metric ${metric}: ${low} and ${high} are finite numbers`);
  }
  if (from !== undefined && to !== undefined && from > to) {
    throw new DomainError("INVALID_VALUE", `metric ${metric}: ${low} ${from} is above ${high} ${to}`);
  }
}

function checkCodec({ format, protobuf }: PayloadCodec): void {
  if (format !== "protobuf") {
    if (protobuf === undefined) return;
    throw new DomainError("INVALID_VALUE", `a protobuf schema goes with the format protobuf, not with ${format}`);
  }
  if (protobuf === undefined) {
    throw new DomainError(
      "INVALID_VALUE",
      "the format protobuf needs a schema (.proto text) and the name of its message",
    );
  }
  checkLength("codec.protobuf.schema", protobuf.schema, MAX_SCHEMA_LENGTH);
  checkLength("codec.protobuf.message", protobuf.message, MAX_MESSAGE_LENGTH);
}
