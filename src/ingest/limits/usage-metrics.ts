/**
 * What tenants use, for Prometheus: the busiest by name, all others under "other", because a label for each of ten thousand
 * tenants would be a time series for each. Whoever gets a name is counted under it from then on, so that every counter only
 * grows; what was counted under "other" before stays there.
 */
import { Counter, Gauge } from "../../platform/metrics.js";
import type { Registry } from "../../platform/metrics.js";
import type { Usage } from "./usage.js";

const NAMED_TENANTS = 20;
const OTHERS = "other";

const counts = ["messages", "bytes", "readings", "waits", "refusals"] as const;
type Counts = Readonly<Record<(typeof counts)[number], number>>;

export function measureUsage(usage: Usage, registry: Registry, named = NAMED_TENANTS): void {
  const before = new Map<string, Counts>();
  /** How much each has sent lately: halved with every scrape. */
  const activity = new Map<string, number>();
  const registers = [registry];
  const labelNames = ["tenant"];
  const counters = {
    messages: new Counter({
      name: "fleetlog_tenant_messages_total",
      help: "Messages that reached the pipeline.",
      labelNames,
      registers,
      // The first in the registry looks, for all.
      collect: look,
    }),
    bytes: new Counter({
      name: "fleetlog_tenant_bytes_total",
      help: "Bytes of those messages' payloads.",
      labelNames,
      registers,
    }),
    readings: new Counter({
      name: "fleetlog_tenant_readings_total",
      help: "Readings that are durably in JetStream.",
      labelNames,
      registers,
    }),
    waits: new Counter({
      name: "fleetlog_tenant_waits_total",
      help: "Messages that a limit held back or sent away.",
      labelNames,
      registers,
    }),
    refusals: new Counter({
      name: "fleetlog_tenant_refusals_total",
      help: "Messages and connections that were refused.",
      labelNames,
      registers,
    }),
  };
  const connections = new Gauge({
    name: "fleetlog_tenant_connections",
    help: "Devices connected.",
    labelNames,
    registers,
  });

  function look(): void {
    connections.reset();
    const names = busiest();
    for (const [tenantId, use] of usage.all()) {
      const tenant = names.has(tenantId) ? tenantId : OTHERS;
      const last = before.get(tenantId);
      for (const count of counts) {
        const more = use[count] - (last?.[count] ?? 0);
        if (more > 0) counters[count].inc({ tenant }, more);
      }
      connections.inc({ tenant }, use.connections);
      const { messages, bytes, readings, waits, refusals } = use;
      before.set(tenantId, { messages, bytes, readings, waits, refusals });
    }
  }

  function busiest(): ReadonlySet<string> {
    for (const [tenantId, { messages }] of usage.all()) {
      activity.set(tenantId, (activity.get(tenantId) ?? 0) / 2 + messages - (before.get(tenantId)?.messages ?? 0));
    }
    const byActivity = [...activity].toSorted(([, a], [, b]) => b - a);
    const names = new Set(byActivity.slice(0, named).map(([tenantId]) => tenantId));
    for (const [tenantId] of byActivity.slice(named)) {
      // A name that is given up ends as a series, instead of standing still for ever.
      for (const count of counts) counters[count].remove({ tenant: tenantId });
    }
    return names;
  }
}
