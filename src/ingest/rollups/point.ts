/** A rollup's point, in the narrow form of the seed: tags tenant_id, device_id and sensor_type, and what the window held. */
import { levels } from "./levels.js";
import type { Level } from "./levels.js";

export interface Aggregate {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

export interface RollupPoint extends Aggregate {
  readonly tenant: string;
  readonly device: string;
  readonly metric: string;
  /** The window's beginning, ms. */
  readonly start: number;
}

/** Written twice, it lands on itself. `undefined` where the sum is beyond what a number holds, which InfluxDB does not take. */
export function toRollupLine(level: Level, point: RollupPoint): string | undefined {
  const { tenant, device, metric, count, sum, min, max, start } = point;
  if (!(count > 0) || ![sum, min, max].every(Number.isFinite)) return undefined;
  // Ids and metric names hold nothing that the line protocol would escape (domain/ids.ts, domain/metric.ts).
  return `${levels[level].measurement},tenant_id=${tenant},device_id=${device},sensor_type=${metric} avg_value=${sum / count},min_value=${min},max_value=${max},sum_value=${sum},count=${count}i ${start}000000`;
}

export const ROLLUP_FIELDS = `sum("count"::field), sum("sum_value"::field), min("min_value"::field), max("max_value"::field)`;

/** An answer's columns in the order of ROLLUP_FIELDS, or of `rawAggregates`. `undefined` where the window holds nothing. */
export function aggregateOf(cells: readonly unknown[]): Aggregate | undefined {
  const [count, sum, min, max] = cells;
  if (typeof count !== "number" || typeof sum !== "number" || typeof min !== "number" || typeof max !== "number") {
    return undefined;
  }
  return count > 0 ? { count, sum, min, max } : undefined;
}

/** Together. */
export function combined(a: Aggregate, b: Aggregate): Aggregate {
  return {
    count: a.count + b.count,
    sum: a.sum + b.sum,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
  };
}
