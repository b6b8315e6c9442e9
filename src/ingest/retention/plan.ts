/** What a tenant's rules ask to be deleted now. Pure: the sweeper does it, the preview counts it. */
import type { Resolution, RetentionRule } from "../../domain/tenant/index.js";
import { resolutions } from "../../domain/tenant/index.js";
import { levels } from "../rollups/levels.js";
import type { Closed } from "../rollups/marks.js";
import { ofTenant, text } from "../telemetry/influxql.js";
import { MEASUREMENT } from "../writer/line-protocol.js";
import { markOf } from "./swept.js";
import type { Swept } from "./swept.js";

const DAY_MS = 86_400_000;

/** The metric's own rule, else the one for all that have none. */
export function ruleFor(
  rules: readonly RetentionRule[],
  resolution: Resolution,
  metric: string,
): RetentionRule | undefined {
  const those = rules.filter((rule) => rule.resolution === resolution);
  return those.find((rule) => rule.metric === metric) ?? those.find((rule) => rule.metric === undefined);
}

/** Ms: what is older goes. At midnight UTC, so that no window of any rollup is ever deleted by half. */
export function cutoffOf({ days }: Pick<RetentionRule, "days">, now: number): number {
  return Math.floor((now - days * DAY_MS) / DAY_MS) * DAY_MS;
}

/** One deletion: of a measurement's points of a tenant that are older than `before`. */
export interface Deletion {
  readonly resolution: Resolution;
  readonly measurement: string;
  /** The tenant's condition is always part of it. */
  readonly where: string;
  /** Ms. */
  readonly before: number;
  /** Under which mark it is remembered. */
  readonly mark: string;
}

/**
 * Points of readings are wide and InfluxDB deletes whole points only: one goes once none of its metrics is to be kept. So
 * where a metric has a shorter rule of its own, its readings are hidden at once and deleted with the last that keeps them;
 * and without a rule for all the others, which may be in the same point, they stay. Rollups are narrow: each metric's go by its rule.
 */
export function deletionsOf(tenant: string, rules: readonly RetentionRule[], now: number): readonly Deletion[] {
  return resolutions.flatMap((resolution): readonly Deletion[] => {
    const those = rules.filter((rule) => rule.resolution === resolution);
    const common = those.find(({ metric }) => metric === undefined);
    if (resolution === "RAW") {
      if (common === undefined) return [];
      const before = Math.min(...those.map((rule) => cutoffOf(rule, now)));
      return [{ resolution, measurement: MEASUREMENT, where: ofTenant(tenant), before, mark: markOf("RAW") }];
    }
    const { measurement } = levels[resolution];
    const own = those.flatMap(({ metric }) => (metric === undefined ? [] : [metric]));
    return those.map((rule) => ({
      resolution,
      measurement,
      where: `${ofTenant(tenant)}${metricCondition(rule.metric, own)}`,
      before: cutoffOf(rule, now),
      mark: markOf(resolution, rule.metric),
    }));
  });
}

/** Nothing goes before the next coarser rollups have been made of it, however long that was not possible. */
export function onlyRolledUp(deletions: readonly Deletion[], closed: Closed): readonly Deletion[] {
  const until: Readonly<Record<Resolution, number>> = {
    RAW: closed.MINUTE,
    MINUTE: closed.HOUR,
    HOUR: closed.DAY,
    DAY: Number.POSITIVE_INFINITY,
  };
  return deletions.map((deletion) => {
    const whole = Math.floor(until[deletion.resolution] / DAY_MS) * DAY_MS;
    return { ...deletion, before: Math.min(deletion.before, whole) };
  });
}

/** Of the rule's metric, or of all that have no rule of their own. */
export function metricCondition(metric: string | undefined, own: readonly string[]): string {
  if (metric !== undefined) return ` AND "sensor_type" = ${text(metric)}`;
  return own.map((each) => ` AND "sensor_type" <> ${text(each)}`).join("");
}

/**
 * The marks with these deletions among them, none of which ever goes back. A metric that gets a rule of its own keeps what the
 * common rule had deleted of it until then; one that loses it falls under the common one.
 */
export function seal(swept: Swept, deletions: readonly Deletion[]): Swept {
  const next: Record<string, number> = { ...swept };
  for (const { mark, before } of deletions) {
    if (mark.includes("/")) {
      const common = swept[mark.slice(0, mark.indexOf("/"))] ?? 0;
      next[mark] = Math.max(before, swept[mark] ?? common);
      continue;
    }
    next[mark] = Math.max(before, swept[mark] ?? 0);
    const stillOwn = new Set(deletions.map((deletion) => deletion.mark));
    for (const [key, value] of Object.entries(swept)) {
      if (key.startsWith(`${mark}/`) && !stillOwn.has(key) && value <= next[mark]) delete next[key];
    }
  }
  return next;
}
