/** Wide points as they are stored, the oldest first: what pages and exports are cut from. */
import type { MetricValue } from "../reading.js";
import { MEASUREMENT, QUALITY, fieldOf } from "../writer/line-protocol.js";
import type { Horizon } from "./horizons.js";
import type { InfluxQl } from "./influxql.js";
import { name, ofDevice, within } from "./influxql.js";
import { qualityOf } from "./latest.js";
import { KINDS } from "./series.js";

export interface RowsQuery {
  readonly metrics: readonly string[];
  readonly from: number;
  readonly to: number;
  /** Ns: only what comes later. */
  readonly after: bigint | undefined;
  readonly limit: number;
}

export interface RowValue {
  readonly metric: string;
  readonly value: MetricValue;
  readonly quality?: string;
}

export interface Row {
  /** RFC 3339 with up to nine digits behind the second. */
  readonly time: string;
  /** Empty where retention hides what is there. */
  readonly values: readonly RowValue[];
}

export async function readRows(
  ql: InfluxQl,
  tenant: string,
  device: string,
  { metrics, from, to, after, limit }: RowsQuery,
  horizon: Horizon,
  signal?: AbortSignal,
): Promise<readonly Row[]> {
  const fields = metrics.flatMap((metric) => [...KINDS.map((kind) => fieldOf(metric, kind)), metric + QUALITY]);
  const readableFrom = metrics.map((metric) => horizon.readableFrom("RAW", metric));
  const begin = Math.max(from, Math.min(...readableFrom));
  const later = after === undefined ? "" : ` AND time > ${after}`;
  const select = fields.map((field) => `${name(field)}::field`).join(", ");
  const statement = `SELECT ${select} FROM ${MEASUREMENT} WHERE ${ofDevice(tenant, device)} AND ${within({ from: begin, to })}${later} ORDER BY time ASC LIMIT ${limit}`;
  const [answer] = await ql.ask([statement], { times: "text", signal });
  return (answer?.series?.[0]?.values ?? []).map(([time, ...cells]) => ({
    time: String(time),
    values: metrics.flatMap((metric, at) => {
      const [number, string, boolean, quality] = cells.slice(at * 4, at * 4 + 4);
      const value = number ?? string ?? boolean;
      if (value === undefined || value === null) return [];
      const since = readableFrom[at] ?? 0;
      if (since > begin && Date.parse(String(time)) < since) return [];
      return [{ metric, value, ...qualityOf(quality) }];
    }),
  }));
}
