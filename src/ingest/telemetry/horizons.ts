/**
 * What of a tenant's telemetry there is to read: which rollups are closed, and before which time a resolution is gone,
 * by the rules in force or because it was deleted under earlier ones. Kept for five seconds: a rule hides what it
 * deletes at once, long before the sweeper has been everywhere.
 */
import type { Resolution, RetentionRule } from "../../domain/tenant/index.js";
import { BoundedMap } from "../../platform/bounded-map.js";
import { cutoffOf, ruleFor } from "../retention/plan.js";
import { sweptBefore } from "../retention/swept.js";
import type { Swept } from "../retention/swept.js";
import type { Closed, Marks } from "../rollups/marks.js";

export interface Horizon {
  /** `undefined` before the first rollup ever: then everything is computed from the readings. */
  readonly closed: Closed | undefined;
  /** Ms: nothing of this resolution and metric is to be read before. */
  readableFrom(resolution: Resolution, metric: string): number;
}

export type Horizons = (tenant: string) => Promise<Horizon>;

export interface HorizonDeps {
  /** Opened at the first question. */
  readonly marks: () => Promise<Pick<Marks, "closed" | "swept">>;
  readonly rulesOf: (tenant: string) => Promise<readonly RetentionRule[]>;
}

const KEPT_MS = 5_000;
const MAX_TENANTS = 10_000;

export function createHorizons({ marks, rulesOf }: HorizonDeps): Horizons {
  const kept = new BoundedMap<string, { readonly until: number; readonly horizon: Promise<Horizon> }>(MAX_TENANTS);
  let opened: ReturnType<HorizonDeps["marks"]> | undefined;

  async function load(tenant: string): Promise<Horizon> {
    const [known, rules] = await Promise.all([readMarks(tenant), rulesOf(tenant)]);
    return horizonOf(known.closed, known.swept, rules);
  }

  async function readMarks(tenant: string): Promise<{ readonly closed: Closed | undefined; readonly swept: Swept }> {
    try {
      opened ??= marks();
      const open = await opened;
      const [closed, swept] = await Promise.all([open.closed(), open.swept(tenant)]);
      return { closed, swept };
    } catch {
      // JetStream is away, which /readyz says: the readings alone give the same answers, only later.
      opened = undefined;
      return { closed: undefined, swept: {} };
    }
  }

  return (tenant) => {
    const known = kept.get(tenant);
    if (known !== undefined && known.until > Date.now()) return known.horizon;
    const horizon = load(tenant);
    kept.set(tenant, { until: Date.now() + KEPT_MS, horizon });
    horizon.catch(() => kept.delete(tenant));
    return horizon;
  };
}

function horizonOf(closed: Closed | undefined, swept: Swept, rules: readonly RetentionRule[]): Horizon {
  return {
    closed,
    readableFrom(resolution, metric) {
      const rule = ruleFor(rules, resolution, metric);
      const gone = sweptBefore(swept, resolution, metric);
      return rule === undefined ? gone : Math.max(gone, cutoffOf(rule, Date.now()));
    },
  };
}

/** Everything is there, and nothing is rolled up: for who reads storage without the platform around it. */
export const readings: Horizons = async () => horizonOf(undefined, {}, []);
