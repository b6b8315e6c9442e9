/** Which of a tenant's rules speaks for a metric, and how far it has deleted. */
import type { Resolution, RetentionRule } from "../../domain/tenant/index.js";
import type { Swept } from "../rollups/marks.js";

const DAY_MS = 86_400_000;

export function markOf(resolution: Resolution, metric?: string): string {
  return metric === undefined ? resolution : `${resolution}/${metric}`;
}

/** Ms: what lies before is deleted, or may be at any moment. 0 where nothing was ever. */
export function sweptBefore(swept: Swept, resolution: Resolution, metric: string): number {
  return Math.max(swept[markOf(resolution)] ?? 0, swept[markOf(resolution, metric)] ?? 0);
}

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
export function cutoffOf({ days }: RetentionRule, now: number): number {
  return Math.floor((now - days * DAY_MS) / DAY_MS) * DAY_MS;
}
