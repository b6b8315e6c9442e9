import { DomainError } from "../error.js";
import { sameJson } from "../json.js";
import { isMetricName, METRIC_NAME_RULE } from "../metric.js";
import type { SetRetention } from "./commands.js";
import type { RetentionRule, TenantEvent } from "./events.js";
import type { TenantState } from "./state.js";

const MAX_RULES = 1_000;
/** A hundred years: beyond it no rule is meant, and dates begin to overflow. */
const MAX_DAYS = 36_525;

export function decideRetention(command: SetRetention, state: TenantState): readonly TenantEvent[] {
  const { retention } = command.data;
  checkRetention(retention);
  if (sameJson(inOrder(retention), inOrder(state.retention))) return [];
  return [{ type: "RetentionChanged", data: { retention } }];
}

/** Throws INVALID_VALUE or LIMIT_EXCEEDED for rules that no tenant can have. */
export function checkRetention(retention: readonly RetentionRule[]): void {
  if (retention.length > MAX_RULES) {
    throw new DomainError(
      "LIMIT_EXCEEDED",
      `a tenant has at most ${MAX_RULES} retention rules, not ${retention.length}`,
    );
  }
  const seen = new Set<string>();
  for (const rule of retention) {
    const { resolution, metric, days } = rule;
    if (metric !== undefined && !isMetricName(metric)) {
      throw new DomainError("INVALID_VALUE", `metric ${JSON.stringify(metric.slice(0, 80))}: ${METRIC_NAME_RULE}`);
    }
    const what = metric === undefined ? resolution : `${metric} at ${resolution}`;
    if (!(Number.isSafeInteger(days) && days >= 1 && days <= MAX_DAYS)) {
      throw new DomainError(
        "INVALID_VALUE",
        `the rule for ${what}: days ${days} is not a whole number from 1 to ${MAX_DAYS}`,
      );
    }
    if (seen.has(keyOf(rule))) {
      throw new DomainError("INVALID_VALUE", `there are two rules for ${what}: say once how long it is kept`);
    }
    seen.add(keyOf(rule));
  }
}

/** The order of the rules says nothing. */
function inOrder(retention: readonly RetentionRule[]): readonly RetentionRule[] {
  return retention.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function keyOf({ resolution, metric = "" }: RetentionRule): string {
  return `${resolution} ${metric}`;
}
