/**
 * Deletes what tenants' retention rules no longer keep. Sealed first, then deleted, then said to be done: a process that
 * is killed in between begins the deletion again, and it is harmless to repeat. A step is a week of one tenant's points.
 */
import type { RetentionRule } from "../../domain/tenant/index.js";
import type { Influx } from "../../engines/influx.js";
import { BoundedMap } from "../../platform/bounded-map.js";
import { messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { Counter } from "../../platform/metrics.js";
import type { Registry as Metrics } from "../../platform/metrics.js";
import type { Closed, Marks } from "../rollups/marks.js";
import { createInfluxQl } from "../telemetry/influxql.js";
import { deletionsOf, onlyRolledUp, seal } from "./plan.js";
import type { Deletion } from "./plan.js";

export interface SweeperDeps {
  readonly influx: Influx;
  /** Every tenant that has rules. */
  readonly tenants: () => AsyncIterable<{ readonly tenant: string; readonly rules: readonly RetentionRule[] }>;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface SweeperOptions {
  /** How often rules and marks are compared. A minute when not given. */
  readonly everyMs?: number;
  readonly now?: () => number;
}

export interface Sweeper {
  /** Quick when nothing is due. Rejects only with the signal's reason: what an engine fails with is logged, and tried again in a while. */
  sweep(marks: Marks, signal: AbortSignal): Promise<void>;
}

const STEP_MS = 7 * 86_400_000;
/** Of whom it is remembered what was carried out; who is forgotten is looked up again. */
const MAX_TENANTS = 10_000;

export function createSweeper(deps: SweeperDeps, options: SweeperOptions = {}): Sweeper {
  const { influx, tenants, logger, metrics } = deps;
  const { everyMs = 60_000, now = Date.now } = options;
  const ql = createInfluxQl(influx);
  const swept = new Counter({
    name: "fleetlog_retention_deletions_total",
    help: "Deletions that retention has asked InfluxDB for, a week of one tenant's points each.",
    registers: [metrics],
  });
  let lookedAt = Number.NEGATIVE_INFINITY;
  /** By tenant, the deletions that are carried out. Only as long as nobody else can have swept: a term has marks of its own. */
  const carriedOut = new BoundedMap<string, string>(MAX_TENANTS);
  let sweptWith: Marks | undefined;

  async function sweepTenant(
    tenant: string,
    rules: readonly RetentionRule[],
    closed: Closed,
    marks: Marks,
    signal: AbortSignal,
  ): Promise<void> {
    const deletions = onlyRolledUp(deletionsOf(tenant, rules, now()), closed);
    const asked = JSON.stringify(deletions.map(({ mark, before, where }) => [mark, before, where]));
    if (carriedOut.get(tenant) === asked) return;
    const done = await marks.deleted(tenant);
    const due = deletions.filter(({ mark, before }) => before > (done[mark] ?? 0));
    if (due.length === 0) {
      carriedOut.set(tenant, asked);
      return;
    }
    await marks.seal(tenant, seal(await marks.swept(tenant), deletions));
    for (const deletion of due) {
      const steps = await erase(deletion, signal);
      logger.info(
        { tenant, what: deletion.mark, before: new Date(deletion.before).toISOString(), steps },
        "retention has deleted what is older",
      );
    }
    await marks.setDeleted(tenant, Object.fromEntries(deletions.map(({ mark, before }) => [mark, before])));
    carriedOut.set(tenant, asked);
  }

  /** Gives how many steps it took. */
  async function erase({ measurement, where, before }: Deletion, signal: AbortSignal): Promise<number> {
    for (let steps = 0; ; steps += 1) {
      signal.throwIfAborted();
      const [answer] = await ql.ask(
        [`SELECT * FROM ${measurement} WHERE ${where} AND time < ${before}ms ORDER BY time ASC LIMIT 1`],
        { signal },
      );
      const oldest = answer?.series?.[0]?.values[0]?.[0];
      if (typeof oldest !== "number") return steps;
      const to = Math.min(before, oldest + STEP_MS);
      await ql.ask([`DELETE FROM ${measurement} WHERE ${where} AND time < ${to}ms`], { signal });
      swept.inc();
    }
  }

  return {
    async sweep(marks, signal) {
      if (now() - lookedAt < everyMs) return;
      lookedAt = now();
      if (sweptWith !== marks) carriedOut.clear();
      sweptWith = marks;
      let who: string | undefined;
      try {
        const closed = await marks.closed();
        if (closed === undefined) return;
        for await (const { tenant, rules } of tenants()) {
          who = tenant;
          await sweepTenant(tenant, rules, closed, marks, signal).catch((error: unknown) => {
            signal.throwIfAborted();
            // One tenant's trouble does not keep another's readings beyond their time.
            logger.warn({ tenant, error: messageOf(error) }, "retention could not delete; trying again in a while");
          });
        }
      } catch (error) {
        signal.throwIfAborted();
        // The document store is away: rollups go on without it.
        logger.warn({ after: who, error: messageOf(error) }, "retention rules cannot be read; trying again in a while");
      }
    },
  };
}
