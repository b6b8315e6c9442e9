/**
 * Reading measurements back. The storage layout (fields, tags, the nanoseconds below a reading's time) ends here: callers
 * see metrics and milliseconds.
 */
import type { Influx } from "../../engines/influx.js";
import { MEASUREMENT, QUALITY, fieldOf } from "../writer/line-protocol.js";
import { exportRows } from "./export.js";
import type { ExportQuery, ExportRow } from "./export.js";
import { readings } from "./horizons.js";
import type { Horizons } from "./horizons.js";
import { createInfluxQl, name, text, within } from "./influxql.js";
import { readLatest } from "./latest.js";
import type { LatestValue } from "./latest.js";
import { readPage } from "./page.js";
import type { PageQuery, SeriesPage } from "./page.js";
import { KINDS, readSeries } from "./series.js";
import type { MetricSeries, SeriesQuery } from "./series.js";

export type { ExportQuery, ExportRow } from "./export.js";
export type { LatestValue } from "./latest.js";
export type { PageQuery, SeriesPage } from "./page.js";
export type { AggregatePoint, MetricSeries, RawPoint, SeriesQuery } from "./series.js";

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
  /** A part of the range, the oldest first: `after` says where it goes on, whatever is stored meanwhile. */
  page(tenant: string, device: string, query: PageQuery): Promise<SeriesPage>;
  /** How many values are stored. */
  count(tenant: string, query: CountQuery): Promise<number>;
  /** Everything of the range in the order of time, a page at a time as it is taken; ends with the signal's reason when it is aborted. */
  export(tenant: string, device: string, query: ExportQuery, signal: AbortSignal): AsyncGenerator<readonly ExportRow[]>;
}

export function createTelemetryQueries(influx: Influx, horizons: Horizons = readings): TelemetryQueries {
  const ql = createInfluxQl(influx);
  const latest = async (tenant: string, device: string): Promise<readonly LatestValue[]> =>
    readLatest(ql, tenant, device, await horizons(tenant));
  return {
    latest,

    async series(tenant, device, query) {
      return readSeries(ql, tenant, device, query, await horizons(tenant));
    },

    async page(tenant, device, query) {
      return readPage(ql, tenant, device, query, await horizons(tenant));
    },

    async *export(tenant, device, query, signal) {
      const metrics = query.metrics ?? (await latest(tenant, device)).map(({ metric }) => metric);
      yield* exportRows(ql, tenant, device, { ...query, metrics }, await horizons(tenant), signal);
    },

    async count(tenant, query) {
      const { metric } = query;
      const where = `"tenant_id"::tag = ${text(tenant)} AND ${within(query)}`;
      const what = metric === undefined ? ["*"] : KINDS.map((kind) => `${name(fieldOf(metric, kind))}::field`);
      const answers = await ql.ask(what.map((field) => `SELECT count(${field}) FROM ${MEASUREMENT} WHERE ${where}`));
      return answers.reduce((sum, { series = [] }) => {
        const [first] = series;
        const cells = first?.values[0] ?? [];
        return cells.reduce<number>(
          (total, cell, index) =>
            index > 0 && typeof cell === "number" && !first?.columns[index]?.endsWith(QUALITY) ? total + cell : total,
          sum,
        );
      }, 0);
    },
  };
}
