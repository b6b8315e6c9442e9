import { METRIC_NAME_RULE, isMetricName } from "../domain/metric.js";
import { FleetlogError } from "../platform/errors.js";
import type { ExportFormat } from "./export-formats.js";

export interface ExportRequest {
  readonly devices: readonly string[];
  readonly metrics?: readonly string[];
  readonly from: number;
  readonly to: number;
  /** Ms. */
  readonly resolution?: number;
  readonly format: ExportFormat;
}

const MAX_DEVICES = 100;
const MAX_METRICS = 1_000;
const HOUR_MS = 3_600_000;
const KNOWN = new Set(["device", "metrics", "from", "to", "resolution", "format"]);

/** The query of an export. Throws BAD_REQUEST with the first mistake in it. */
export function readExportRequest(query: unknown): ExportRequest {
  const given = query as Readonly<Record<string, string | readonly string[]>>;
  const unknown = Object.keys(given).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) {
    throw bad(`${JSON.stringify(unknown.slice(0, 80))} says nothing here: there are ${[...KNOWN].join(", ")}`);
  }
  const devices = [...new Set(listOf(given["device"]))];
  if (devices.length === 0) throw bad("which device? Say device=…, or several with commas");
  if (devices.length > MAX_DEVICES) throw bad(`an export takes at most ${MAX_DEVICES} devices, not ${devices.length}`);
  const metrics = [...new Set(listOf(given["metrics"]))];
  if (metrics.length > MAX_METRICS) throw bad(`an export takes at most ${MAX_METRICS} metrics, not ${metrics.length}`);
  const wrong = metrics.find((metric) => !isMetricName(metric));
  if (wrong !== undefined) throw bad(`metrics: ${JSON.stringify(wrong.slice(0, 80))}: ${METRIC_NAME_RULE}`);
  const to = timeOf("to", given["to"]) ?? Date.now();
  const from = timeOf("from", given["from"]) ?? to - HOUR_MS;
  if (!(from < to)) throw bad("from must be before to");
  const resolution = resolutionOf(given["resolution"]);
  const format = given["format"] ?? "csv";
  if (format !== "csv" && format !== "jsonl") throw bad("format is csv or jsonl");
  return {
    devices,
    ...(metrics.length === 0 ? {} : { metrics }),
    from,
    to,
    ...(resolution === undefined ? {} : { resolution }),
    format,
  };
}

function listOf(given: string | readonly string[] | undefined): readonly string[] {
  const texts = given === undefined ? [] : typeof given === "string" ? [given] : given;
  return texts
    .flatMap((text) => text.split(","))
    .map((text) => text.trim())
    .filter((text) => text !== "");
}

function timeOf(name: string, given: string | readonly string[] | undefined): number | undefined {
  if (given === undefined) return undefined;
  // Date.parse takes "5" for a month of 2001: only what looks like a date is asked.
  const time = typeof given === "string" && /^\d{4}-\d{2}-\d{2}/u.test(given) ? Date.parse(given) : Number.NaN;
  if (Number.isNaN(time)) throw bad(`${name} is an ISO 8601 time, such as 2026-05-01T08:00:00Z`);
  return time;
}

function resolutionOf(given: string | readonly string[] | undefined): number | undefined {
  if (given === undefined) return undefined;
  const seconds = typeof given === "string" && /^\d{1,9}$/u.test(given) ? Number(given) : 0;
  if (seconds < 1) throw bad("resolution is whole seconds, 1 or more");
  return seconds * 1_000;
}

function bad(message: string): FleetlogError {
  return new FleetlogError("BAD_REQUEST", message);
}
