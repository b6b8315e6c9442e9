/**
 * Reading measurements back. InfluxQL, because it is what InfluxDB 1.x, 2.x and 3.x all answer on `/query`. The storage
 * layout (fields, tags, the nanoseconds below a reading's time) ends here: callers see metrics and milliseconds.
 */
import type { Influx } from "../engines/influx.js";
import { FleetlogError } from "../platform/errors.js";
import type { MetricValue } from "./reading.js";
import { MEASUREMENT, fieldOf, metricOf } from "./writer/line-protocol.js";

export interface LatestValue {
  readonly metric: string;
  readonly value: MetricValue;
  /** Ms since the epoch, by the device's clock. */
  readonly timestamp: number;
}

export interface SeriesQuery {
  readonly metrics: readonly string[];
  /** Inclusive, ms since the epoch. */
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** Points per metric, 1,000 when not given, 10,000 at most. */
  readonly limit?: number;
  /** Ms. With it, numbers come as one point per interval that has any, instead of raw. */
  readonly resolution?: number;
  /** Which end is kept where the limit cuts; the points come in the order of time in both cases. Newest when not given. */
  readonly keep?: "oldest" | "newest";
}

export interface RawPoint {
  readonly timestamp: number;
  readonly value: MetricValue;
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
}

export interface CountQuery {
  readonly from: number;
  readonly to: number;
  /** Without it, the values of all metrics are counted together. */
  readonly metric?: string;
}

/** All of them throw FleetlogError: INVALID_VALUE for what cannot be asked, UNAVAILABLE when InfluxDB does not answer. */
export interface TelemetryQueries {
  /** The newest value of each metric by the device's time, sorted by metric. */
  latest(tenant: string, device: string): Promise<readonly LatestValue[]>;
  series(tenant: string, device: string, query: SeriesQuery): Promise<readonly MetricSeries[]>;
  /** How many values are stored. */
  count(tenant: string, query: CountQuery): Promise<number>;
}

type Cell = number | string | boolean | null;

interface Series {
  readonly columns: readonly string[];
  readonly values: readonly (readonly Cell[])[];
}

interface Statement {
  readonly series?: readonly Series[];
  readonly error?: string;
}

const DEFAULT_POINTS = 1_000;
const MAX_POINTS = 10_000;
const MAX_METRICS = 64;
const KINDS = ["number", "string", "boolean"] as const;

export function createTelemetryQueries(influx: Influx): TelemetryQueries {
  /** Runs statements in one request; the result has one entry for each. Times are in ms. */
  async function ask(statements: readonly string[]): Promise<readonly Statement[]> {
    if (statements.length === 0) return [];
    const body = new URLSearchParams({ q: statements.join(";") }).toString();
    let answer: { readonly results?: readonly Statement[]; readonly error?: string };
    try {
      answer = (await influx.client.transport.request(`/query?db=${encodeURIComponent(influx.bucket)}&epoch=ms`, body, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
      })) as typeof answer;
    } catch (error) {
      throw new FleetlogError(
        "UNAVAILABLE",
        // What the client says names addresses: the log has it, as the cause.
        "the telemetry store does not answer: try again",
        {},
        { cause: error },
      );
    }
    const results = answer.results ?? [];
    const failure = answer.error ?? results.find((result) => result.error !== undefined)?.error;
    if (failure !== undefined)
      throw new FleetlogError(
        "UNAVAILABLE",
        "the telemetry store refuses the query: ask for less, or try again",
        {},
        { cause: new Error(failure) },
      );
    return results;
  }

  return {
    async latest(tenant, device) {
      const where = `"tenant_id"::tag = ${text(tenant)} AND "device_id"::tag = ${text(device)}`;
      // Which fields the device has; the times of this answer are not theirs, hence the second question.
      const [fields] = await ask([`SELECT last(*) FROM ${name(MEASUREMENT)} WHERE ${where}`]);
      const [series] = fields?.series ?? [];
      const present = (series?.columns ?? [])
        .filter((_column, index) => index > 0 && series?.values[0]?.[index] !== null)
        .map((column) => column.slice("last_".length));
      const answers = await ask(
        present.map((field) => `SELECT last(${name(field)}::field) FROM ${name(MEASUREMENT)} WHERE ${where}`),
      );
      return (
        answers
          .flatMap((answer, index): LatestValue[] => {
            const [timestamp, value] = answer.series?.[0]?.values[0] ?? [];
            if (typeof timestamp !== "number" || value === undefined || value === null) return [];
            return [{ metric: metricOf(present[index] ?? ""), value, timestamp }];
          })
          .toSorted((a, b) => (a.metric === b.metric ? b.timestamp - a.timestamp : a.metric < b.metric ? -1 : 1))
          // A metric whose kind has changed has two fields: the newer one speaks.
          .filter((value, index, all) => value.metric !== all[index - 1]?.metric)
      );
    },

    async series(tenant, device, query) {
      const { metrics, resolution } = query;
      const limit = checkedLimit(query.limit);
      if (metrics.length > MAX_METRICS) {
        throw new FleetlogError(
          "PAGE_TOO_LARGE",
          `a query takes at most ${MAX_METRICS} metrics, not ${metrics.length}`,
        );
      }
      const where = `"tenant_id"::tag = ${text(tenant)} AND "device_id"::tag = ${text(device)} AND ${range(query)}`;
      const direction = query.keep === "oldest" ? "ASC" : "DESC";
      if (resolution !== undefined) {
        const step = positive("resolution", resolution);
        const answers = await ask(
          metrics.map((metric) => {
            const field = `${name(fieldOf(metric, "number"))}::field`;
            return `SELECT mean(${field}), min(${field}), max(${field}), count(${field}) FROM ${name(MEASUREMENT)} WHERE ${where} GROUP BY time(${step}ms) fill(none) ORDER BY time ${direction} LIMIT ${limit}`;
          }),
        );
        return metrics.map((metric, index) => ({ metric, raw: [], aggregates: aggregates(answers[index]) }));
      }
      const answers = await ask(
        metrics.flatMap((metric) =>
          KINDS.map(
            (kind) =>
              `SELECT ${name(fieldOf(metric, kind))}::field FROM ${name(MEASUREMENT)} WHERE ${where} ORDER BY time ${direction} LIMIT ${limit}`,
          ),
        ),
      );
      return metrics.map((metric, index) => {
        const points = answers.slice(index * KINDS.length, (index + 1) * KINDS.length).flatMap(rawPoints);
        const sorted = points.toSorted((a, b) => a.timestamp - b.timestamp);
        return { metric, raw: query.keep === "oldest" ? sorted.slice(0, limit) : sorted.slice(-limit), aggregates: [] };
      });
    },

    async count(tenant, query) {
      const { metric } = query;
      const where = `"tenant_id"::tag = ${text(tenant)} AND ${range(query)}`;
      const what = metric === undefined ? ["*"] : KINDS.map((kind) => `${name(fieldOf(metric, kind))}::field`);
      const answers = await ask(what.map((field) => `SELECT count(${field}) FROM ${name(MEASUREMENT)} WHERE ${where}`));
      const cells = answers.flatMap((answer) => answer.series?.[0]?.values[0]?.slice(1) ?? []);
      return cells.reduce<number>((sum, cell) => sum + (typeof cell === "number" ? cell : 0), 0);
    },
  };
}

function rawPoints(answer: Statement): RawPoint[] {
  return (answer.series?.[0]?.values ?? []).flatMap(([timestamp, value]) =>
    typeof timestamp === "number" && value !== undefined && value !== null ? [{ timestamp, value }] : [],
  );
}

function aggregates(answer: Statement | undefined): AggregatePoint[] {
  return (answer?.series?.[0]?.values ?? [])
    .flatMap(([timestamp, mean, min, max, count]) =>
      typeof timestamp === "number" &&
      typeof mean === "number" &&
      typeof min === "number" &&
      typeof max === "number" &&
      typeof count === "number"
        ? [{ timestamp, mean, min, max, count }]
        : [],
    )
    .toSorted((a, b) => a.timestamp - b.timestamp);
}

function range({ from, to }: { readonly from: number; readonly to: number }): string {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) {
    throw new FleetlogError("INVALID_VALUE", "from and to are whole milliseconds since 1970");
  }
  return `time >= ${from}ms AND time < ${to}ms`;
}

function checkedLimit(limit: number | undefined): number {
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

/** An InfluxQL string. */
function text(value: string): string {
  return `'${withoutControls(value).replace(/[\\']/gu, "\\$&")}'`;
}

/** An InfluxQL identifier. */
function name(value: string): string {
  return `"${withoutControls(value).replace(/[\\"]/gu, "\\$&")}"`;
}

/** No id or metric has any, so nothing that exists is missed; and no escape is needed that versions treat differently. */
function withoutControls(value: string): string {
  return value.replace(/[\p{Cc}]/gu, "");
}
