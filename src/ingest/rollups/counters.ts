import { Counter, Gauge } from "../../platform/metrics.js";
import type { Registry as Metrics } from "../../platform/metrics.js";

export interface RollupCounters {
  readonly points: Counter<"level">;
  readonly late: Counter;
  readonly sealed: Counter;
  readonly seconds: Counter;
  readonly lag: Gauge;
}

export function countersIn(metrics: Metrics): RollupCounters {
  const registers = [metrics];
  return {
    points: new Counter({
      name: "fleetlog_rollup_points_total",
      help: "Rolled-up points written: by level, and those written again because of late readings.",
      labelNames: ["level"],
      registers,
    }),
    late: new Counter({
      name: "fleetlog_rollup_late_windows_total",
      help: "Closed minutes of a device that got late readings.",
      registers,
    }),
    sealed: new Counter({
      name: "fleetlog_rollup_sealed_windows_total",
      help: "Windows left as they are, because retention has deleted what they were made of.",
      registers,
    }),
    seconds: new Counter({
      name: "fleetlog_rollup_busy_seconds_total",
      help: "Time spent on computing and writing windows.",
      registers,
    }),
    lag: new Gauge({
      name: "fleetlog_rollup_lag_seconds",
      help: "How long ago the newest closed minute ended.",
      registers,
    }),
  };
}
