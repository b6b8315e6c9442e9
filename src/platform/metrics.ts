import { Registry, collectDefaultMetrics } from "prom-client";

export { Counter, Gauge, Histogram } from "prom-client";
export { Registry };

/** A registry for one process. Every metric of ours starts with `fleetlog_` and ends with its unit (`_total`, `_seconds`, `_bytes`). */
export function createMetrics(options: { readonly defaults?: boolean } = {}): Registry {
  const registry = new Registry();
  if (options.defaults ?? false) collectDefaultMetrics({ register: registry, prefix: "fleetlog_" });
  return registry;
}
