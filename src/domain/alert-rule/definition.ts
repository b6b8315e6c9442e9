import { DomainError } from "../error.js";
import { checkJson } from "../json.js";
import { isMetricName, METRIC_NAME_RULE } from "../metric.js";
import type { Condition, DeviceFilter, RuleDefinition } from "./events.js";

const MAX_FILTER_ENTRIES = 1_000;
/** A week: longer spans are a report's business, not an alert's. */
const MAX_SECONDS = 7 * 24 * 3600;

/** Throws INVALID_VALUE with a sentence that names the field. */
export function checkDefinition(definition: RuleDefinition): void {
  const { name, description, filter, condition, cooldownSeconds, notificationChannels } = definition;
  if (name.trim() === "" || name.length > 255) {
    throw new DomainError("INVALID_VALUE", "an alert rule needs a name of 1 to 255 characters");
  }
  if (description !== undefined && description.length > 4096) {
    throw new DomainError("INVALID_VALUE", "an alert rule's description has at most 4096 characters");
  }
  checkFilter(filter);
  checkCondition(condition);
  checkSeconds("cooldownSeconds", cooldownSeconds);
  checkJson("notificationChannels", notificationChannels);
}

function checkFilter(filter: DeviceFilter): void {
  for (const [list, entries] of Object.entries(filter) as [string, readonly string[] | undefined][]) {
    if (entries === undefined) continue;
    if (entries.length === 0) {
      throw new DomainError(
        "INVALID_VALUE",
        `filter.${list} is empty and would match nothing: leave it out to match all`,
      );
    }
    if (entries.length > MAX_FILTER_ENTRIES) {
      throw new DomainError("INVALID_VALUE", `filter.${list} has at most ${MAX_FILTER_ENTRIES} entries`);
    }
  }
}

function checkCondition({ metric, operator, threshold, clearThreshold, forSeconds }: Condition): void {
  if (!isMetricName(metric)) throw new DomainError("INVALID_VALUE", `condition.metric: ${METRIC_NAME_RULE}`);
  if (!Number.isFinite(threshold)) throw new DomainError("INVALID_VALUE", "condition.threshold is not a finite number");
  checkSeconds("condition.forSeconds", forSeconds);
  if (clearThreshold === undefined) return;
  const rising = operator === "GT" || operator === "GTE";
  if (!Number.isFinite(clearThreshold) || (rising ? clearThreshold > threshold : clearThreshold < threshold)) {
    throw new DomainError(
      "INVALID_VALUE",
      `condition.clearThreshold ${clearThreshold} must not be ${rising ? "above" : "below"} the threshold ${threshold} of ${operator}`,
    );
  }
}

function checkSeconds(field: string, seconds: number): void {
  if (!Number.isFinite(seconds) || seconds < 0 || seconds > MAX_SECONDS) {
    throw new DomainError("INVALID_VALUE", `${field} is between 0 and ${MAX_SECONDS} seconds, not ${seconds}`);
  }
}
