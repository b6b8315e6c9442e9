/**
 * All of a device's telemetry in a range, for taking away: pages over time, one in memory, the next asked for when the
 * reader has taken the one before. Ordered by time, so that a download that broke off can be continued at its last line.
 */
import { nanosecondsOf } from "./cursor.js";
import type { Horizon } from "./horizons.js";
import type { InfluxQl } from "./influxql.js";
import { within } from "./influxql.js";
import { readRows } from "./rows.js";
import type { RowValue } from "./rows.js";
import { MAX_METRICS, readSeries } from "./series.js";
import type { AggregatePoint } from "./series.js";

export interface ExportQuery {
  /** Every metric that the device ever sent when not given. */
  readonly metrics?: readonly string[];
  /** Inclusive, ms since the epoch. */
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** Ms; without it, as measured. */
  readonly resolution?: number;
}

export type ExportRow = { readonly time: string } & (
  | RowValue
  | ({ readonly metric: string } & Omit<AggregatePoint, "timestamp">)
);

/** Rows of InfluxDB's, each of them one value or more. */
const PAGE_ROWS = 2_000;
const PAGE_BUCKETS = 1_000;

export async function* exportRows(
  ql: InfluxQl,
  tenant: string,
  device: string,
  query: ExportQuery & { readonly metrics: readonly string[] },
  horizon: Horizon,
  signal: AbortSignal,
): AsyncGenerator<readonly ExportRow[]> {
  const { metrics, resolution } = query;
  within(query);
  // Each group of metrics in the order of time, where there are more than one question may name.
  for (let index = 0; index < metrics.length; index += MAX_METRICS) {
    const some = { ...query, metrics: metrics.slice(index, index + MAX_METRICS) };
    if (resolution === undefined) yield* measured(ql, tenant, device, some, horizon, signal);
    else yield* buckets(ql, tenant, device, { ...some, resolution }, horizon, signal);
  }
}

type Some = ExportQuery & { readonly metrics: readonly string[] };

async function* measured(
  ql: InfluxQl,
  tenant: string,
  device: string,
  { metrics, from, to }: Some,
  horizon: Horizon,
  signal: AbortSignal,
): AsyncGenerator<readonly ExportRow[]> {
  let after: bigint | undefined;
  for (;;) {
    const rows = await readRows(ql, tenant, device, { metrics, from, to, after, limit: PAGE_ROWS }, horizon, signal);
    const found = rows.flatMap(({ time, values }) => {
      const at = milliseconds(time);
      return values.map((value): ExportRow => ({ ...value, time: at }));
    });
    if (found.length > 0) yield found;
    const last = rows.at(-1);
    if (rows.length < PAGE_ROWS || last === undefined) return;
    after = nanosecondsOf(last.time);
  }
}

async function* buckets(
  ql: InfluxQl,
  tenant: string,
  device: string,
  { metrics, from, to, resolution }: Some & { readonly resolution: number },
  horizon: Horizon,
  signal: AbortSignal,
): AsyncGenerator<readonly ExportRow[]> {
  // A slice of time at a time, so that the metrics stay in one order and the memory is that of a slice.
  const slice = Math.max(1, Math.floor(PAGE_BUCKETS / metrics.length)) * resolution;
  for (let begin = from; begin < to;) {
    const end = Math.min(to, Math.floor(begin / slice) * slice + slice);
    const query = { metrics, from: begin, to: end, resolution, limit: PAGE_BUCKETS + 1, keep: "oldest" as const };
    const series = await readSeries(ql, tenant, device, query, horizon, signal);
    const rows = series.flatMap(({ metric, aggregates }) =>
      aggregates.map(({ timestamp, ...rest }) => ({ metric, timestamp, ...rest })),
    );
    rows.sort((a, b) => a.timestamp - b.timestamp);
    if (rows.length > 0) {
      yield rows.map(({ timestamp, ...row }) => ({ ...row, time: new Date(timestamp).toISOString() }));
    }
    begin = end;
  }
}

/** RFC 3339 with as many digits as there are → with three: a reading's time, without what tells it from its like. */
function milliseconds(time: string): string {
  const point = time.indexOf(".");
  if (point < 0) return `${time.slice(0, -1)}.000Z`;
  return `${time.slice(0, point)}.${time
    .slice(point + 1, -1)
    .padEnd(3, "0")
    .slice(0, 3)}Z`;
}
