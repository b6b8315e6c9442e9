/**
 * What each tenant uses, counted where it happens: plain numbers, because this is done for every message. Everything else
 * (metrics, the durable record) looks at them now and then.
 */

/** The counts of one tenant. All but `connections` only grow. */
export interface TenantUse {
  messages: number;
  bytes: number;
  /** Those that are stored. */
  readings: number;
  /** How often a message had to wait for a limit, or was sent away by it. */
  waits: number;
  /** Messages and connections that were refused, for whatever reason. */
  refusals: number;
  /** Now. */
  connections: number;
  /** The most that there were at one time. */
  peakConnections: number;
}

export interface Usage {
  /** A message has reached the pipeline, whatever becomes of it. */
  received(tenantId: string, bytes: number): void;
  stored(tenantId: string, readings: number): void;
  refused(tenantId: string): void;
  waited(tenantId: string): void;
  connections(tenantId: string, now: number): void;
  /** From now on, peaks are those of another span. */
  settlePeaks(): void;
  /** Since the process began. The objects are live: read them, keep numbers. */
  all(): ReadonlyMap<string, Readonly<TenantUse>>;
}

/** Beyond so many, others are not counted: topics of an outside broker may name tenants that do not exist, without end. */
const MAX_TENANTS = 50_000;

export function createUsage(maxTenants = MAX_TENANTS): Usage {
  const tenants = new Map<string, TenantUse>();
  let lastId: string | undefined;
  let last: TenantUse | undefined;

  /** Messages of one tenant tend to follow each other. */
  function of(tenantId: string): TenantUse {
    if (last !== undefined && tenantId === lastId) return last;
    let use = tenants.get(tenantId);
    if (use === undefined) {
      use = { messages: 0, bytes: 0, readings: 0, waits: 0, refusals: 0, connections: 0, peakConnections: 0 };
      if (tenants.size < maxTenants) tenants.set(tenantId, use);
    }
    lastId = tenantId;
    last = use;
    return use;
  }

  return {
    received(tenantId, bytes) {
      const use = of(tenantId);
      use.messages += 1;
      use.bytes += bytes;
    },
    stored(tenantId, readings) {
      of(tenantId).readings += readings;
    },
    refused(tenantId) {
      of(tenantId).refusals += 1;
    },
    waited(tenantId) {
      of(tenantId).waits += 1;
    },
    connections(tenantId, now) {
      const use = of(tenantId);
      use.connections = now;
      if (now > use.peakConnections) use.peakConnections = now;
    },
    settlePeaks() {
      for (const use of tenants.values()) use.peakConnections = use.connections;
    },
    all: () => tenants,
  };
}
