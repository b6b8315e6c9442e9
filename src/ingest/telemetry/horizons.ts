/**
 * What of a tenant's telemetry there is to read: which rollups are closed, and before which time a resolution is gone,
 * by the rules in force or because it was deleted under earlier ones. Kept for five seconds: a rule hides what it
 * deletes at once, long before the sweeper has been everywhere.
 *
 * The marks lie in JetStream. While it is away the last ones that were read go on: nothing is rolled up or swept meanwhile,
 * so they are still true. With none at all it is not known where the readings were deleted: buckets made of them could be
 * silently empty there, and are refused.
 */
import type { Resolution, RetentionRule } from "../../domain/tenant/index.js";
import { BoundedMap } from "../../platform/bounded-map.js";
import { FleetlogError } from "../../platform/errors.js";
import { cutoffOf, ruleFor } from "../retention/plan.js";
import { sweptBefore } from "../retention/swept.js";
import type { Swept } from "../retention/swept.js";
import type { Closed, Marks } from "../rollups/marks.js";
import type { OwedSpan } from "../rollups/owed.js";

export interface Horizon {
  /** `undefined` before the first rollup ever: then everything is computed from the readings. */
  readonly closed: Closed | undefined;
  /** What rollups lack late readings for; in the order of time, apart from each other. */
  readonly owed: readonly OwedSpan[];
  /** Why nothing is known of rollups and deletions: then only what is stored as readings can be told, as it is. */
  readonly unknown?: FleetlogError;
  /** Ms: nothing of this resolution and metric is to be read before. */
  readableFrom(resolution: Resolution, metric: string): number;
}

export type Horizons = (tenant: string) => Promise<Horizon>;

export interface HorizonDeps {
  /** Opened at the first question. */
  readonly marks: () => Promise<Pick<Marks, "closed" | "owed" | "swept">>;
  readonly rulesOf: (tenant: string) => Promise<readonly RetentionRule[]>;
  /** How long an answer serves; five seconds when not given. */
  readonly keptMs?: number;
}

const KEPT_MS = 5_000;
const MAX_TENANTS = 10_000;

interface Known {
  readonly closed: Closed | undefined;
  readonly owed: readonly OwedSpan[];
  readonly swept: Swept;
}

interface Kept {
  readonly horizon: Promise<Horizon>;
  until: number;
}

/** Rejects with what `rulesOf` fails with: without the rules nothing may be shown that they could hide. */
export function createHorizons({ marks, rulesOf, keptMs = KEPT_MS }: HorizonDeps): Horizons {
  const kept = new BoundedMap<string, Kept>(MAX_TENANTS);
  const lastKnown = new BoundedMap<string, Known>(MAX_TENANTS);
  let opened: ReturnType<HorizonDeps["marks"]> | undefined;

  async function load(tenant: string): Promise<Horizon> {
    const [known, rules] = await Promise.all([readMarks(tenant), rulesOf(tenant)]);
    if (!(known instanceof FleetlogError)) return horizonOf(known, rules);
    return { ...horizonOf(NOTHING, rules), unknown: known };
  }

  async function readMarks(tenant: string): Promise<Known | FleetlogError> {
    try {
      opened ??= marks();
      const open = await opened;
      const [closed, swept] = await Promise.all([open.closed(), open.swept(tenant)]);
      // After what is closed: a window is owed before it is said to be closed.
      const owed = await open.owed(tenant);
      const known = { closed, owed, swept };
      lastKnown.set(tenant, known);
      return known;
    } catch (error) {
      // JetStream is away, which /readyz says.
      opened = undefined;
      const known = lastKnown.get(tenant);
      if (known !== undefined) return known;
      const why =
        "what is rolled up and what is deleted is not known while JetStream does not answer: try again, or ask for readings";
      return new FleetlogError("UNAVAILABLE", why, {}, { cause: error });
    }
  }

  async function keep(tenant: string, fresh: Kept): Promise<void> {
    try {
      await fresh.horizon;
      // From its end on: JetStream's silence takes seconds to notice, and is not to be noticed at each question.
      fresh.until = Date.now() + keptMs;
    } catch {
      // Whoever asked is told; the next one asks anew.
      kept.delete(tenant);
    }
  }

  return (tenant) => {
    const known = kept.get(tenant);
    if (known !== undefined && known.until > Date.now()) return known.horizon;
    const fresh: Kept = { horizon: load(tenant), until: Number.POSITIVE_INFINITY };
    kept.set(tenant, fresh);
    void keep(tenant, fresh);
    return fresh.horizon;
  };
}

const NOTHING: Known = { closed: undefined, owed: [], swept: {} };

function horizonOf({ closed, owed, swept }: Known, rules: readonly RetentionRule[]): Horizon {
  return {
    closed,
    owed,
    readableFrom(resolution, metric) {
      const rule = ruleFor(rules, resolution, metric);
      const gone = sweptBefore(swept, resolution, metric);
      return rule === undefined ? gone : Math.max(gone, cutoffOf(rule, Date.now()));
    },
  };
}

/** Everything is there, and nothing is rolled up: for who reads storage without the platform around it. */
export const readings: Horizons = async () => horizonOf(NOTHING, []);
