/** What rules would take away if they were set now: counted in storage, deleted by nobody. */
import type { Resolution, RetentionRule } from "../../domain/tenant/index.js";
import type { Influx } from "../../engines/influx.js";
import { levels } from "../rollups/levels.js";
import { createInfluxQl, name, ofTenant } from "../telemetry/influxql.js";
import type { InfluxQl, Statement } from "../telemetry/influxql.js";
import { MEASUREMENT, QUALITY, metricOf } from "../writer/line-protocol.js";
import { cutoffOf, deletionsOf, metricCondition } from "./plan.js";

export interface RulePreview {
  readonly rule: RetentionRule;
  /** Ms: what is older can no longer be read. */
  readonly cutoff: number;
  /** Values, or rolled-up points, that are older. */
  readonly points: number;
  /** Ms, of those points; not there when there are none. */
  readonly oldest?: number;
  readonly newest?: number;
  /** Ms: what is older is deleted from storage too; not there where other metrics of the same points are kept for ever. */
  readonly deletedBefore?: number;
}

/** Throws FleetlogError UNAVAILABLE when InfluxDB does not answer. */
export type RetentionPreview = (tenant: string, rules: readonly RetentionRule[]) => Promise<readonly RulePreview[]>;

export function createRetentionPreview(influx: Influx): RetentionPreview {
  const ql = createInfluxQl(influx);
  return async (tenant, rules) => {
    const now = Date.now();
    const deletions = deletionsOf(tenant, rules, now);
    const previews: RulePreview[] = [];
    for (const rule of rules) {
      const { resolution, metric } = rule;
      const cutoff = cutoffOf(rule, now);
      const own = rules.flatMap((other) =>
        other.resolution === resolution && other.metric !== undefined ? [other.metric] : [],
      );
      const found =
        resolution === "RAW"
          ? await countReadings(ql, tenant, metric, own, cutoff)
          : await countRollups(ql, tenant, resolution, metricCondition(metric, own), cutoff);
      const mark = resolution === "RAW" || metric === undefined ? resolution : `${resolution}/${metric}`;
      const deletion = deletions.find((each) => each.mark === mark);
      previews.push({ rule, cutoff, ...found, ...(deletion === undefined ? {} : { deletedBefore: deletion.before }) });
    }
    return previews;
  };
}

type Found = Pick<RulePreview, "points" | "oldest" | "newest">;

async function countRollups(
  ql: InfluxQl,
  tenant: string,
  level: Exclude<Resolution, "RAW">,
  condition: string,
  cutoff: number,
): Promise<Found> {
  const where = `FROM ${levels[level].measurement} WHERE ${ofTenant(tenant)}${condition} AND time < ${cutoff}ms`;
  const [count, first, last] = await ql.ask(
    ["count", "first", "last"].map((call) => `SELECT ${call}("count"::field) ${where}`),
  );
  return { points: Number(cellOf(count, 1) ?? 0), ...spanOf([first], [last]) };
}

async function countReadings(
  ql: InfluxQl,
  tenant: string,
  metric: string | undefined,
  own: readonly string[],
  cutoff: number,
): Promise<Found> {
  const where = `FROM ${MEASUREMENT} WHERE ${ofTenant(tenant)} AND time < ${cutoff}ms`;
  const [counts] = await ql.ask([`SELECT count(*) ${where}`]);
  const [series] = counts?.series ?? [];
  const fields = (series?.columns ?? []).flatMap((column, index) => {
    const field = column.slice("count_".length);
    const points = series?.values[0]?.[index];
    if (index === 0 || typeof points !== "number" || points === 0 || field.endsWith(QUALITY)) return [];
    const of = metricOf(field);
    return (metric === undefined ? !own.includes(of) : of === metric) ? [{ field, points }] : [];
  });
  const edge = (call: string) => fields.map(({ field }) => `SELECT ${call}(${name(field)}::field) ${where}`);
  const first = await ql.ask(edge("first"));
  const last = await ql.ask(edge("last"));
  return { points: fields.reduce((sum, { points }) => sum + points, 0), ...spanOf(first, last) };
}

function spanOf(
  first: readonly (Statement | undefined)[],
  last: readonly (Statement | undefined)[],
): Pick<Found, "oldest" | "newest"> {
  const times = (answers: typeof first): number[] =>
    answers.map((answer) => cellOf(answer, 0)).filter((time) => typeof time === "number");
  const [oldest, newest] = [times(first), times(last)];
  if (oldest.length === 0 || newest.length === 0) return {};
  return { oldest: Math.min(...oldest), newest: Math.max(...newest) };
}

function cellOf(answer: Statement | undefined, column: number): unknown {
  return answer?.series?.[0]?.values[0]?.[column];
}
