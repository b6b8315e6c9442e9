import type { ExportRow } from "../ingest/index.js";

export type ExportFormat = "csv" | "jsonl";

export interface LineWriter {
  /** What comes first; may be empty. */
  readonly head: string;
  line(device: string, row: ExportRow): string;
}

/** `buckets`: mean, min, max and count in place of values. */
export function lineWriter(format: ExportFormat, buckets: boolean): LineWriter {
  if (format === "jsonl") {
    return {
      head: "",
      line: (device, { time, metric, ...held }) => `${JSON.stringify({ time, device, metric, ...held })}\n`,
    };
  }
  const names = buckets ? ["mean", "min", "max", "count"] : ["value", "quality"];
  return {
    head: record(["time", "device", "metric", ...names]),
    line: (device, row) => {
      const held = "mean" in row ? [row.mean, row.min, row.max, row.count] : [row.value, row.quality ?? ""];
      return record([row.time, device, row.metric, ...held.map(String)]);
    },
  };
}

/** RFC 4180: lines end with CR LF, and what holds a comma, a quote or a line's end is quoted. */
function record(fields: readonly string[]): string {
  return `${fields.map((field) => (/[",\r\n]/u.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",")}\r\n`;
}
