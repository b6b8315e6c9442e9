/** A metric over time, as it was measured or in buckets: from the rollups where they reach, exact at the edges. */
import { FleetlogError } from "../../platform/errors.js";
import type { Resolution } from "../../domain/tenant/index.js";
import { levels } from "../rollups/levels.js";
import { ROLLUP_FIELDS, aggregateOf, combined } from "../rollups/point.js";
import type { Aggregate } from "../rollups/point.js";
import { rawAggregates } from "../rollups/raw-aggregates.js";
import type { MetricValue } from "../reading.js";
import { MEASUREMENT, QUALITY, fieldOf } from "../writer/line-protocol.js";
import type { Horizon } from "./horizons.js";
import type { InfluxQl, Statement } from "./influxql.js";
import { name, ofDevice, text, within } from "./influxql.js";
import { qualityOf } from "./latest.js";
import { coarsest, segmentsOf, stepFor } from "./sources.js";

export interface SeriesQuery {
  readonly metrics: readonly string[];
  /** Inclusive, ms since the epoch. */
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** Points per metric, 1,000 when not given, 10,000 at most. */
  readonly limit?: number;
  /**
   * Ms. With it, numbers come as one point per interval that has any, instead of raw. `auto`: as measured where `limit`
   * is enough for it, else in the shortest steps for which it is.
   */
  readonly resolution?: number | "auto";
  /** Which end is kept where the limit cuts; the points come in the order of time in both cases. Newest when not given. */
  readonly keep?: "oldest" | "newest";
}

export interface RawPoint {
  readonly timestamp: number;
  readonly value: MetricValue;
  /** What makes it doubtful: flags, joined by "|". Not there where nothing does. */
  readonly quality?: string;
}

export interface AggregatePoint {
  /** The interval's beginning. */
  readonly timestamp: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

export interface MetricSeries {
  readonly metric: string;
  /** Without a resolution. */
  readonly raw: readonly RawPoint[];
  /** With one. */
  readonly aggregates: readonly AggregatePoint[];
  /** Ms that a bucket is long; not there for readings. */
  readonly resolution?: number;
  /** Out of what the points were made; the edges of the range may be made of finer ones. */
  readonly source: Resolution;
  /** Whether the limit cut something off, at the end that is not kept. */
  readonly isCut: boolean;
}

const DEFAULT_POINTS = 1_000;
export const MAX_POINTS = 10_000;
export const MAX_METRICS = 64;
export const KINDS = ["number", "string", "boolean"] as const;
/** A statement for each metric and source: so many are asked at once. */
const STATEMENTS_A_REQUEST = 64;

interface Bounds {
  readonly tenant: string;
  readonly device: string;
  readonly from: number;
  readonly to: number;
  readonly limit: number;
  readonly keep: "oldest" | "newest";
}

export async function readSeries(
  ql: InfluxQl,
  tenant: string,
  device: string,
  query: SeriesQuery,
  horizon: Horizon,
  signal?: AbortSignal,
): Promise<readonly MetricSeries[]> {
  const { metrics, resolution, from, to } = query;
  const limit = checkedLimit(query.limit);
  if (metrics.length > MAX_METRICS) {
    throw new FleetlogError("PAGE_TOO_LARGE", `a query takes at most ${MAX_METRICS} metrics, not ${metrics.length}`);
  }
  within(query);
  const bounds: Bounds = { tenant, device, from, to, limit, keep: query.keep ?? "newest" };
  const ask: Ask = async (statements) => {
    const answers: Statement[] = [];
    for (let index = 0; index < statements.length; index += STATEMENTS_A_REQUEST) {
      answers.push(...(await ql.ask(statements.slice(index, index + STATEMENTS_A_REQUEST), { signal })));
    }
    return answers;
  };
  if (resolution === undefined) return readRaw(ask, metrics, bounds, horizon);
  if (horizon.unknown !== undefined) throw horizon.unknown;
  if (resolution !== "auto") return readBuckets(ask, metrics, bounds, positive("resolution", resolution), horizon);

  // Readings that retention has taken cannot be had; the rollups of them may.
  const whole = metrics.filter((metric) => horizon.readableFrom("RAW", metric) <= from);
  const raw = new Map((await readRaw(ask, whole, bounds, horizon)).map((series) => [series.metric, series]));
  const rest = metrics.filter((metric) => raw.get(metric)?.isCut !== false);
  const buckets = new Map<string, MetricSeries>();
  const stepOf = new Map(rest.map((metric) => [metric, stepFor(query, limit, metric, horizon)]));
  for (const step of new Set(stepOf.values())) {
    const those = rest.filter((metric) => stepOf.get(metric) === step);
    for (const series of await readBuckets(ask, those, bounds, step, horizon)) buckets.set(series.metric, series);
  }
  return metrics.map((metric) => {
    const inBuckets = buckets.get(metric);
    const asMeasured = raw.get(metric);
    // Texts and truth values have no mean: of those that are too many, the newest.
    if (inBuckets !== undefined && (inBuckets.aggregates.length > 0 || asMeasured === undefined)) return inBuckets;
    return asMeasured ?? { metric, raw: [], aggregates: [], source: "RAW", isCut: false };
  });
}

type Ask = (statements: readonly string[]) => Promise<readonly Statement[]>;

async function readRaw(ask: Ask, metrics: readonly string[], bounds: Bounds, horizon: Horizon) {
  const { tenant, device, to, limit, keep } = bounds;
  const answers = await ask(
    metrics.map((metric) => {
      const fields = KINDS.map((kind) => `${name(fieldOf(metric, kind))}::field`);
      const from = Math.max(bounds.from, horizon.readableFrom("RAW", metric));
      return `SELECT ${fields.join(", ")}, ${name(metric + QUALITY)}::field FROM ${MEASUREMENT} WHERE ${ofDevice(tenant, device)} AND ${within({ from, to })} ORDER BY time ${keep === "oldest" ? "ASC" : "DESC"} LIMIT ${limit + 1}`;
    }),
  );
  return metrics.map((metric, index): MetricSeries => {
    const rows = (answers[index]?.series ?? []).flatMap(({ values }) => values);
    const isCut = rows.length > limit;
    const kept = rows.slice(0, limit);
    if (keep === "newest") kept.reverse();
    const raw = kept.flatMap(([time, ...cells]): RawPoint[] => {
      const value = cells.slice(0, KINDS.length).find((cell) => cell !== null && cell !== undefined);
      if (typeof time !== "number" || value === undefined || value === null) return [];
      return [{ timestamp: time, value, ...qualityOf(cells[KINDS.length]) }];
    });
    return { metric, raw, aggregates: [], source: "RAW", isCut };
  });
}

async function readBuckets(
  ask: Ask,
  metrics: readonly string[],
  bounds: Bounds,
  step: number,
  horizon: Horizon,
): Promise<readonly MetricSeries[]> {
  const { tenant, device, from, to, limit, keep } = bounds;
  const parts = metrics.flatMap((metric) =>
    segmentsOf({ from, to }, step, metric, horizon).map((segment) => ({ metric, segment })),
  );
  const order = `GROUP BY time(${step}ms) fill(none) ORDER BY time ${keep === "oldest" ? "ASC" : "DESC"} LIMIT ${limit + 1}`;
  const answers = await ask(
    parts.map(({ metric, segment }) => {
      const where = `${ofDevice(tenant, device)} AND ${within(segment)}`;
      if (segment.source === "RAW") {
        return `SELECT ${rawAggregates([fieldOf(metric, "number")])} FROM ${MEASUREMENT} WHERE ${where} ${order}`;
      }
      const { measurement } = levels[segment.source];
      return `SELECT ${ROLLUP_FIELDS} FROM ${measurement} WHERE ${where} AND "sensor_type"::tag = ${text(metric)} ${order}`;
    }),
  );
  return metrics.map((metric): MetricSeries => {
    const buckets = new Map<number, Aggregate>();
    for (const [index, part] of parts.entries()) {
      if (part.metric !== metric) continue;
      for (const [start, ...cells] of answers[index]?.series?.[0]?.values ?? []) {
        const aggregate = aggregateOf(cells);
        if (typeof start !== "number" || aggregate === undefined) continue;
        const other = buckets.get(start);
        buckets.set(start, other === undefined ? aggregate : combined(other, aggregate));
      }
    }
    const all = [...buckets].toSorted(([a], [b]) => a - b);
    const kept = keep === "oldest" ? all.slice(0, limit) : all.slice(-limit);
    const source = coarsest(parts.flatMap((part) => (part.metric === metric ? [part.segment.source] : [])));
    return {
      metric,
      raw: [],
      aggregates: kept.map(([timestamp, { count, sum, min, max }]) => ({
        timestamp,
        mean: sum / count,
        min,
        max,
        count,
      })),
      resolution: step,
      source,
      isCut: all.length > limit,
    };
  });
}

export function checkedLimit(limit: number | undefined): number {
  const points = positive("limit", limit ?? DEFAULT_POINTS);
  if (points <= MAX_POINTS) return points;
  throw new FleetlogError(
    "PAGE_TOO_LARGE",
    `a query gives at most ${MAX_POINTS} points per metric, not ${points}: ask for a shorter range or a resolution`,
  );
}

function positive(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new FleetlogError("INVALID_VALUE", `${what} is a whole number above 0, not ${value}`);
}
