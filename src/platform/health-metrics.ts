/** The health of the parts of a process, as it is shown outside. */
import type { PartHealth } from "./lifecycle.js";
import { Gauge } from "./metrics.js";
import type { Registry as Metrics } from "./metrics.js";

/** What /readyz says, as Prometheus reads it: for alarms on a part that is down, and on lag that grows. */
export function measureHealth(metrics: Metrics, health: () => readonly PartHealth[]): void {
  const states = { up: 1, degraded: 0.5, down: 0 } as const;
  const state = new Gauge({
    name: "fleetlog_part_state",
    help: "1 up, 0.5 degraded, 0 down",
    labelNames: ["part"],
    registers: [],
    collect() {
      this.reset();
      for (const part of health()) this.set({ part: part.name }, states[part.state]);
    },
  });
  const lag = new Gauge({
    name: "fleetlog_part_lag",
    help: "What waits, in the unit that the label says",
    labelNames: ["part", "unit"],
    registers: [],
    collect() {
      this.reset();
      for (const part of health()) {
        if (part.lag !== undefined) this.set({ part: part.name, unit: part.lagUnit ?? "messages" }, part.lag);
      }
    },
  });
  metrics.registerMetric(state);
  metrics.registerMetric(lag);
}

/** One line a part: where several processes see the same engine, the worst that any of them sees. */
export function worstOfEach(parts: readonly PartHealth[]): readonly PartHealth[] {
  const rank = { up: 0, degraded: 1, down: 2 } as const;
  const worst = new Map<string, PartHealth>();
  for (const part of parts) {
    const other = worst.get(part.name);
    if (other === undefined || rank[part.state] > rank[other.state]) worst.set(part.name, part);
  }
  return [...worst.values()];
}
