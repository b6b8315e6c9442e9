/**
 * From what a device measured to readings, in stages: calibration and units (normalise.ts), validation against the device
 * type, enrichment; doubts (quality/) come last. All or nothing: a message with one bad value is refused, with one reason.
 */
import { METRIC_NAME_RULE, isMetricName } from "../../domain/metric.js";
import type { MetricDefinition } from "../../domain/device-type/index.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Measurement } from "../measurement.js";
import type { MetricValue, Reading } from "../reading.js";
import { normalise } from "./normalise.js";
import { quoted, refusal } from "./refusal.js";
import type { Refusal } from "./refusal.js";
import type { Conversions } from "./units/convert.js";

/** What one message may hold; published in docs/reference. */
const MAX_READINGS = 1_000;
const MAX_METRICS = 256;
const MAX_STRING_LENGTH = 1_024;
/** How far a device's clock may be ahead of ours. */
export const MAX_FUTURE_MS = 5 * 60_000;

export interface TelemetryLimits {
  /** How old a reading's timestamp may be. */
  readonly maxAgeMs: number;
  readonly conversions: Conversions;
}

/** The readings of one message, or why it is not taken. */
export function readTelemetry(
  access: DeviceAccess,
  measurements: readonly Measurement[],
  receivedAt: number,
  limits: TelemetryLimits,
): readonly Reading[] | Refusal {
  if (measurements.length === 0)
    return refusal("MALFORMED_PAYLOAD", "the array of readings is empty: send at least one");
  if (measurements.length > MAX_READINGS) {
    return refusal(
      "LIMIT_EXCEEDED",
      `a message has at most ${MAX_READINGS} readings, not ${measurements.length}: send several`,
    );
  }
  const readings: Reading[] = [];
  for (const measurement of measurements) {
    const reading = readOne(access, measurement, receivedAt, limits);
    if ("code" in reading) return reading;
    readings.push(reading);
  }
  return readings;
}

function readOne(
  access: DeviceAccess,
  measurement: Measurement,
  receivedAt: number,
  limits: TelemetryLimits,
): Reading | Refusal {
  const { timestamp, path, valuesPath } = measurement;
  if (timestamp !== undefined) {
    const absurd = checkTimestamp(timestamp, at(path, "ts"), receivedAt, limits);
    if (absurd !== undefined) return absurd;
  }
  let { values } = measurement;
  // Asked here, so that devices that need neither pay for neither.
  if (access.calibration !== undefined || measurement.units !== undefined) {
    const normal = normalise(access, measurement, limits.conversions);
    if ("code" in normal) return normal;
    ({ values } = normal);
  }
  const refused = checkValues(access, values, valuesPath);
  if (refused !== undefined) {
    if (values === measurement.values) return refused;
    return refusal(refused.code, `${refused.message} (after calibration and conversion to its unit)`);
  }
  const time = timestamp === undefined ? receivedAt : (timestamp as number);
  return enrich(access, values as Readonly<Record<string, MetricValue>>, time, receivedAt);
}

function checkTimestamp(ts: unknown, path: string, now: number, limits: TelemetryLimits): Refusal | undefined {
  if (typeof ts !== "number" || !Number.isSafeInteger(ts)) {
    return refusal("INVALID_TIMESTAMP", `${path}: expected whole milliseconds since 1970, got ${quoted(ts)}`);
  }
  if (ts > now + MAX_FUTURE_MS) {
    return refusal(
      "INVALID_TIMESTAMP",
      `${path}: ${ts} (${iso(ts)}) is more than 5 minutes in the future: check the device's clock`,
    );
  }
  if (ts < now - limits.maxAgeMs) {
    const days = Math.round(limits.maxAgeMs / 86_400_000);
    return refusal(
      "INVALID_TIMESTAMP",
      `${path}: ${ts} (${iso(ts)}) is older than ${days} days: timestamps are milliseconds since 1970`,
    );
  }
  return undefined;
}

function iso(ts: number): string {
  const date = new Date(ts);
  return Number.isNaN(date.getTime()) ? "beyond any calendar" : date.toISOString();
}

function checkValues(access: DeviceAccess, values: Measurement["values"], path: string): Refusal | undefined {
  const definitions = access.type.metrics;
  let count = 0;
  for (const name of Object.keys(values)) {
    count += 1;
    if (count > MAX_METRICS)
      return refusal("LIMIT_EXCEEDED", `${path || "the payload"}: a reading has at most ${MAX_METRICS} metrics`);
    const definition = definitions?.get(name);
    if (definition === undefined) {
      // A defined metric's name was checked when its type was defined.
      const refused = checkUndefined(access, name, path);
      if (refused !== undefined) return refused;
    }
    const refused = checkValue(values[name], definition, name, path);
    if (refused !== undefined) return refused;
  }
  return count === 0 ? refusal("MALFORMED_PAYLOAD", `${path || "the payload"}: has no metrics`) : undefined;
}

function checkUndefined(access: DeviceAccess, name: string, path: string): Refusal | undefined {
  if (access.type.metrics !== undefined) {
    const known = [...access.type.metrics.keys()].slice(0, 10).join(", ");
    const more = access.type.metrics.size > 10 ? ", …" : "";
    return refusal(
      "UNKNOWN_METRIC",
      `${at(path, name)}: device type ${access.deviceType} has no such metric; it has ${known}${more}`,
    );
  }
  // Would become the object's prototype wherever the values are copied.
  if (isMetricName(name) && name !== "__proto__") return undefined;
  return refusal("UNKNOWN_METRIC", `${at(path, name)} is no metric name: ${METRIC_NAME_RULE}`);
}

function checkValue(
  value: unknown,
  definition: MetricDefinition | undefined,
  name: string,
  path: string,
): Refusal | undefined {
  const kind = typeof value;
  const known = kind === "number" || kind === "string" || kind === "boolean";
  if (!known || (definition !== undefined && definition.kind !== kind)) {
    const expected = definition === undefined ? "a number, a string or a boolean" : `a ${definition.kind}`;
    return refusal("INVALID_VALUE", `${at(path, name)}: expected ${expected}, got ${quoted(value)}`);
  }
  if (typeof value === "number") {
    // JSON has no infinity, but 1e999 reads as one.
    if (!Number.isFinite(value)) return refusal("INVALID_VALUE", `${at(path, name)}: the number is too large`);
    if (definition?.min !== undefined && value < definition.min) {
      return refusal(
        "INVALID_VALUE",
        `${at(path, name)}: ${value} is below the device type's minimum of ${definition.min}`,
      );
    }
    if (definition?.max !== undefined && value > definition.max) {
      return refusal(
        "INVALID_VALUE",
        `${at(path, name)}: ${value} is above the device type's maximum of ${definition.max}`,
      );
    }
  } else if (typeof value === "string" && value.length > MAX_STRING_LENGTH) {
    return refusal(
      "LIMIT_EXCEEDED",
      `${at(path, name)}: a string has at most ${MAX_STRING_LENGTH} characters, not ${value.length}`,
    );
  }
  return undefined;
}

function enrich(
  access: DeviceAccess,
  values: Readonly<Record<string, MetricValue>>,
  timestamp: number,
  receivedAt: number,
): Reading {
  const { tenantId, deviceId, deviceType, site } = access;
  // Written out, because spreading objects together is felt at a hundred thousand readings a second.
  if (access.status === "MAINTENANCE") {
    if (site === undefined) return { tenantId, deviceId, deviceType, receivedAt, timestamp, values, maintenance: true };
    return { tenantId, deviceId, deviceType, site, receivedAt, timestamp, values, maintenance: true };
  }
  if (site === undefined) return { tenantId, deviceId, deviceType, receivedAt, timestamp, values };
  return { tenantId, deviceId, deviceType, site, receivedAt, timestamp, values };
}

function at(path: string, key: string): string {
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  return path === "" ? shown : `${path}.${shown}`;
}
