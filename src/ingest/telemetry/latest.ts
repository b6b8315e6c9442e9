/** The newest value of each metric of a device, by the device's time. */
import type { MetricValue } from "../reading.js";
import { MEASUREMENT, QUALITY, metricOf } from "../writer/line-protocol.js";
import type { InfluxQl, Series } from "./influxql.js";
import { name, ofDevice } from "./influxql.js";
import type { Horizon } from "./horizons.js";

export interface LatestValue {
  readonly metric: string;
  readonly value: MetricValue;
  /** Ms since the epoch, by the device's clock. */
  readonly timestamp: number;
  /** What makes it doubtful: flags, joined by "|". Not there where nothing does. */
  readonly quality?: string;
}

/** Points are wide: the newest of them mostly have every metric. */
const NEWEST_POINTS = 10;

export async function readLatest(
  ql: InfluxQl,
  tenant: string,
  device: string,
  horizon: Horizon,
): Promise<readonly LatestValue[]> {
  const where = ofDevice(tenant, device);
  const [fields, newest] = await ql.ask([
    // Which fields the device has; the time of this answer is none of theirs.
    `SELECT last(*) FROM ${MEASUREMENT} WHERE ${where}`,
    `SELECT * FROM ${MEASUREMENT} WHERE ${where} ORDER BY time DESC LIMIT ${NEWEST_POINTS}`,
  ]);
  const present = fieldsOf(fields?.series?.[0]);
  const found = newestOf(newest?.series?.[0], present);
  const missing = present.filter((field) => !found.has(field));
  const answers = await ql.ask(
    missing.map(
      (field) =>
        `SELECT last(${name(field)}::field), ${name(metricOf(field) + QUALITY)}::field FROM ${MEASUREMENT} WHERE ${where}`,
    ),
  );
  for (const [index, field] of missing.entries()) {
    const [timestamp, value, quality] = answers[index]?.series?.[0]?.values[0] ?? [];
    if (typeof timestamp !== "number" || value === undefined || value === null) continue;
    found.set(field, { metric: metricOf(field), value, timestamp, ...qualityOf(quality) });
  }
  return (
    [...found.values()]
      .filter(({ metric, timestamp }) => timestamp >= horizon.readableFrom("RAW", metric))
      .toSorted((a, b) => (a.metric === b.metric ? b.timestamp - a.timestamp : a.metric < b.metric ? -1 : 1))
      // A metric whose kind has changed has two fields: the newer one speaks.
      .filter((value, index, all) => value.metric !== all[index - 1]?.metric)
  );
}

function fieldsOf(series: Series | undefined): readonly string[] {
  return (series?.columns ?? [])
    .filter((_column, index) => index > 0 && series?.values[0]?.[index] !== null)
    .map((column) => column.slice("last_".length))
    .filter((field) => !field.endsWith(QUALITY));
}

function newestOf(series: Series | undefined, present: readonly string[]): Map<string, LatestValue> {
  const found = new Map<string, LatestValue>();
  if (series === undefined) return found;
  const column = new Map(series.columns.map((field, index) => [field, index]));
  for (const field of present) {
    const at = column.get(field);
    if (at === undefined) continue;
    const row = series.values.find((cells) => cells[at] !== null);
    const [timestamp] = row ?? [];
    const value = row?.[at];
    if (typeof timestamp !== "number" || value === undefined || value === null) continue;
    const quality = row?.[column.get(metricOf(field) + QUALITY) ?? -1];
    found.set(field, { metric: metricOf(field), value, timestamp, ...qualityOf(quality) });
  }
  return found;
}

export function qualityOf(cell: unknown): { readonly quality?: string } {
  return typeof cell === "string" && cell !== "" ? { quality: cell } : {};
}
