/** Paging through a range, the oldest first. All metrics of a page end at one time, so one cursor goes on for all of them. */
import { FleetlogError } from "../../platform/errors.js";
import { decodeCursor, encodeCursor, nanosecondsOf } from "./cursor.js";
import type { Horizon } from "./horizons.js";
import type { InfluxQl } from "./influxql.js";
import { within } from "./influxql.js";
import { readRows } from "./rows.js";
import { MAX_METRICS, checkedLimit, readSeries } from "./series.js";
import type { MetricSeries } from "./series.js";

export interface PageQuery {
  readonly metrics: readonly string[];
  /** Inclusive, ms since the epoch. */
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** Points per metric at most. */
  readonly first: number;
  /** The `endCursor` of the page before. */
  readonly after?: string;
  /** Ms: buckets; without it, as measured. */
  readonly resolution?: number;
}

export interface SeriesPage {
  readonly series: readonly MetricSeries[];
  /** Not there when the page is empty. */
  readonly endCursor?: string;
  readonly hasNextPage: boolean;
}

/** Throws BAD_REQUEST for a cursor that is none. */
export async function readPage(
  ql: InfluxQl,
  tenant: string,
  device: string,
  query: PageQuery,
  horizon: Horizon,
): Promise<SeriesPage> {
  const { metrics, resolution } = query;
  checkedLimit(query.first);
  within(query);
  if (metrics.length > MAX_METRICS) {
    throw new FleetlogError("PAGE_TOO_LARGE", `a query takes at most ${MAX_METRICS} metrics, not ${metrics.length}`);
  }
  const after = query.after === undefined ? undefined : decodeCursor(query.after);
  if (metrics.length === 0) return { series: [], hasNextPage: false };
  if (resolution !== undefined) return bucketPage(ql, tenant, device, { ...query, resolution }, after, horizon);

  const { from, to, first } = query;
  const rows = await readRows(ql, tenant, device, { metrics, from, to, after, limit: first + 1 }, horizon);
  const hasNextPage = rows.length > first;
  const kept = rows.slice(0, first);
  const points = new Map(metrics.map((metric) => [metric, [] as MetricSeries["raw"][number][]]));
  for (const { time, values } of kept) {
    const timestamp = Date.parse(time);
    for (const { metric, ...value } of values) points.get(metric)?.push({ timestamp, ...value });
  }
  const last = kept.at(-1);
  return {
    series: metrics.map((metric) => ({
      metric,
      raw: points.get(metric) ?? [],
      aggregates: [],
      source: "RAW",
      isCut: hasNextPage,
    })),
    hasNextPage,
    ...(last === undefined ? {} : { endCursor: encodeCursor(String(nanosecondsOf(last.time))) }),
  };
}

async function bucketPage(
  ql: InfluxQl,
  tenant: string,
  device: string,
  query: PageQuery & { readonly resolution: number },
  after: bigint | undefined,
  horizon: Horizon,
): Promise<SeriesPage> {
  const { metrics, resolution, to, first: limit } = query;
  const from = after === undefined ? query.from : Math.max(query.from, bucketAfter(after, resolution));
  const asked = { metrics, from, to, resolution, limit, keep: "oldest" as const };
  const series = await readSeries(ql, tenant, device, asked, horizon);
  const cut = series.filter(({ isCut }) => isCut).map(lastOf);
  // Where one metric has more points than fit, the others wait for it.
  const end = cut.length > 0 ? Math.min(...cut) : Math.max(...series.map(lastOf));
  return {
    series: series.map((each) => ({
      ...each,
      aggregates: each.aggregates.filter(({ timestamp }) => timestamp <= end),
    })),
    hasNextPage: cut.length > 0,
    ...(Number.isFinite(end) ? { endCursor: encodeCursor(`${BigInt(end) * 1_000_000n}`) } : {}),
  };
}

function lastOf({ aggregates }: MetricSeries): number {
  return aggregates.at(-1)?.timestamp ?? -Infinity;
}

/** After a bucket's beginning comes the next one's. */
function bucketAfter(after: bigint, step: number): number {
  return Math.floor(Number(after / 1_000_000n) / step) * step + step;
}
