/** From a telemetry payload to readings: the forms of the contract, the bounds, the device type's word. All or nothing. */
import { METRIC_NAME_RULE, isMetricName } from "../../domain/metric.js";
import type { MetricDefinition } from "../../domain/device-type/index.js";
import type { DeviceAccess } from "../device-access.js";
import type { MetricValue, Reading } from "../reading.js";
import { parseJson } from "./parse-json.js";
import { quoted, refusal } from "./refusal.js";
import type { Refusal } from "./refusal.js";

/** What one message may hold; published in docs/reference. */
const MAX_READINGS = 1_000;
const MAX_METRICS = 256;
const MAX_STRING_LENGTH = 1_024;
/** How far a device's clock may be ahead of ours. */
const MAX_FUTURE_MS = 5 * 60_000;

export interface TelemetryLimits {
  /** How old a reading's timestamp may be. */
  readonly maxAgeMs: number;
}

/** The readings of one message, or why it is not taken. */
export function readTelemetry(
  access: DeviceAccess,
  payload: Buffer,
  receivedAt: number,
  limits: TelemetryLimits,
): readonly Reading[] | Refusal {
  const parsed = parseJson(payload);
  if (!parsed.ok) return parsed.refusal;
  const { value } = parsed;
  if (!Array.isArray(value)) {
    const reading = readOne(access, value, "", receivedAt, limits);
    return "code" in reading ? reading : [reading];
  }
  if (value.length === 0) return refusal("MALFORMED_PAYLOAD", "the array of readings is empty: send at least one");
  if (value.length > MAX_READINGS) {
    return refusal(
      "LIMIT_EXCEEDED",
      `a message has at most ${MAX_READINGS} readings, not ${value.length}: send several`,
    );
  }
  const readings: Reading[] = [];
  for (const [index, item] of (value as readonly unknown[]).entries()) {
    const reading = readOne(access, item, `readings[${index}]`, receivedAt, limits);
    if ("code" in reading) return reading;
    readings.push(reading);
  }
  return readings;
}

type JsonObject = Readonly<Record<string, unknown>>;

function readOne(
  access: DeviceAccess,
  item: unknown,
  path: string,
  receivedAt: number,
  limits: TelemetryLimits,
): Reading | Refusal {
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    return refusal(
      "MALFORMED_PAYLOAD",
      `${path === "" ? "the payload" : path}: expected {"ts": ms, "values": {…}} or {"metric": value, …}, got ${quoted(item)}`,
    );
  }
  const object = item as JsonObject;
  const long = Object.hasOwn(object, "values") || Object.hasOwn(object, "ts");
  let timestamp = receivedAt;
  let values = object;
  if (long) {
    const refused = checkLongForm(object, path);
    if (refused !== undefined) return refused;
    const { ts } = object as { readonly ts?: unknown };
    if (ts !== undefined) {
      const absurd = checkTimestamp(ts, at(path, "ts"), receivedAt, limits);
      if (absurd !== undefined) return absurd;
      timestamp = ts as number;
    }
    values = (object as { readonly values: JsonObject }).values;
  }
  const refused = checkValues(access, values, long ? at(path, "values") : path);
  if (refused !== undefined) return refused;
  return enrich(access, values as Readonly<Record<string, MetricValue>>, timestamp, receivedAt);
}

function checkLongForm(object: JsonObject, path: string): Refusal | undefined {
  for (const key of Object.keys(object)) {
    if (key === "ts" || key === "values") continue;
    return refusal(
      "MALFORMED_PAYLOAD",
      `${at(path, key)} does not belong there: beside "ts", metrics stand inside "values"`,
    );
  }
  const { values } = object as { readonly values?: unknown };
  if (typeof values === "object" && values !== null && !Array.isArray(values)) return undefined;
  const got = values === undefined ? "nothing" : quoted(values);
  return refusal("MALFORMED_PAYLOAD", `${at(path, "values")}: expected an object of metrics, got ${got}`);
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

function checkValues(access: DeviceAccess, values: JsonObject, path: string): Refusal | undefined {
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
