/**
 * Readings as InfluxDB lines: one line a reading, one field a metric (docs/architecture.md, "Points are wide").
 *
 * A field has one type per database, whoever writes it, so one tenant's text must not stand in the way of another's
 * number under the same name: a number's field bears the metric's name, a string's is `{metric}:s`, a boolean's
 * `{metric}:b`. No metric name holds a colon (domain/metric.ts), so these meet nothing else.
 *
 * A field must never bear a tag's name: InfluxDB takes `WHERE tenant_id = …` for the field from then on, and answers every
 * tenant with nothing. A number under such a name, or one that InfluxDB 2 keeps for itself, goes to `{metric}:n`.
 */
import type { MetricValue, Reading } from "../reading.js";

export const MEASUREMENT = "sensor_data";

export type FieldKind = "number" | "string" | "boolean";
const SUFFIX: Readonly<Record<FieldKind, string>> = { number: "", string: ":s", boolean: ":b" };
/** What is behind the metric in the field that says what makes its value doubtful. */
export const QUALITY = ":q";
const TAGS = ["tenant_id", "device_id", "device_type", "location"];
const TAKEN: ReadonlySet<string> = new Set([...TAGS, "_field", "_measurement", "_time", "_start", "_stop", "_value"]);

export function fieldOf(metric: string, kind: FieldKind): string {
  return kind === "number" && TAKEN.has(metric) ? `${metric}:n` : metric + SUFFIX[kind];
}

/** The metric of a field; the reverse of `fieldOf`. */
export function metricOf(field: string): string {
  return field.at(-2) === ":" ? field.slice(0, -2) : field;
}

/**
 * The line of one reading; the timestamp is in nanoseconds. InfluxDB overwrites a point of the same series and time.
 * Below the millisecond the time holds a hash of the values: a reading that is delivered twice lands on itself, and two
 * different readings of one millisecond both stay (but for one pair in a million).
 */
export function toLine(reading: Reading): string {
  return `${seriesOf(reading)} ${pointOf(reading)}`;
}

/** What stands behind the series in a reading's line: the fields and the time. */
export function pointOf(reading: Pick<Reading, "timestamp" | "values" | "quality">): string {
  const fields = fieldsOf(reading.values);
  const below = String(hash(fields) % 1_000_000).padStart(6, "0");
  const all = reading.quality === undefined ? fields : fields + qualityFields(reading.quality);
  return `${all} ${nanoseconds(reading.timestamp, below)}`;
}

/** No part of the hash: what is sent again may be judged otherwise by then, and must land on itself all the same. */
function qualityFields(quality: Readonly<Record<string, string>>): string {
  let text = "";
  for (const metric of Object.keys(quality).sort()) {
    const flags = quality[metric];
    if (flags !== undefined) text += `,${metric}${QUALITY}=${quoteField(flags)}`;
  }
  return text;
}

let lastOf: Series | undefined;
let lastSeries = "";

type Series = Pick<Reading, "tenantId" | "deviceId" | "deviceType"> & { readonly site?: string | undefined };

/** A line's measurement and tags. Readings of one device tend to follow each other: the series of the last one is remembered. */
export function seriesOf(reading: Series): string {
  const { tenantId, deviceId, deviceType, site } = reading;
  if (
    lastOf?.deviceId === deviceId &&
    lastOf.tenantId === tenantId &&
    lastOf.deviceType === deviceType &&
    lastOf.site === site
  ) {
    return lastSeries;
  }
  const location = site === undefined ? "" : `,location=${escapeTag(site)}`;
  lastSeries = `${MEASUREMENT},tenant_id=${tenantId},device_id=${deviceId},device_type=${deviceType}${location}`;
  lastOf = reading;
  return lastSeries;
}

/** A safe integer of milliseconds with six digits behind it is beyond what a number can hold: put together as text. */
function nanoseconds(milliseconds: number, below: string): string {
  return milliseconds > 0 ? `${milliseconds}${below}` : String(BigInt(milliseconds) * 1_000_000n + BigInt(below));
}

/** Sorted, so that the same values make the same text, and with it the same hash. */
function fieldsOf(values: Readonly<Record<string, MetricValue>>): string {
  let text = "";
  for (const name of sortedNames(values)) {
    const value = values[name];
    if (value === undefined) continue;
    if (text !== "") text += ",";
    if (typeof value === "number") text += `${fieldOf(name, "number")}=${value}`;
    else if (typeof value === "boolean") text += `${fieldOf(name, "boolean")}=${value}`;
    else text += `${fieldOf(name, "string")}=${quoteField(value)}`;
  }
  return text;
}

/** Devices send their metrics in one order, which more often than not needs no sorting. */
function sortedNames(values: Readonly<Record<string, MetricValue>>): readonly string[] {
  const names = Object.keys(values);
  for (let index = 1; index < names.length; index += 1) {
    if ((names[index - 1] ?? "") > (names[index] ?? "")) return names.sort();
  }
  return names;
}

/** Within quotes, only these two have to be escaped; a line feed may stand as it is. */
function quoteField(value: string): string {
  return `"${value.replace(/[\\"]/gu, "\\$&")}"`;
}

/** Sites are free text without control characters. A backslash at the end would eat the separator that follows. */
function escapeTag(value: string): string {
  if (!/[,= \\\p{Cc}]/u.test(value)) return value;
  const text = value.replace(/[\p{Cc}]/gu, " ").replace(/[,= ]/gu, "\\$&");
  return text.endsWith("\\") ? `${text}_` : text;
}

/** FNV-1a, 32 bits. Part of the storage format: another hash would store what is delivered again a second time. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  return state >>> 0;
}
