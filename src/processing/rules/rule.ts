import type { Severity } from "../../domain/alert-rule/index.js";
import type { RuleId, TenantId } from "../../domain/ids.js";
import type { AlertRuleDocument } from "../../projections/index.js";
import type { Judgement } from "./judge.js";

/** Which device a reading or a state is of, as far as a rule's filter asks. */
export interface Watched {
  readonly deviceId: string;
  readonly deviceType: string;
  readonly site?: string;
}

/** A rule made ready for judging. */
export interface Rule extends Judgement {
  readonly tenantId: TenantId;
  readonly ruleId: RuleId;
  readonly version: number;
  readonly severity: Severity;
  /** What an alert was judged by. While it stays the same, a new version of the rule leaves its alerts alone. */
  readonly basis: string;
  watches(device: Watched): boolean;
}

/** Sets instead of lists: a filter may have a thousand entries, and it is asked for each reading of its metric. */
export function compileRule(document: AlertRuleDocument): Rule {
  const { tenantId, ruleId, version, severity, condition, cooldownSeconds, filter } = document;
  const devices = setOf(filter.deviceIds);
  const types = setOf(filter.deviceTypes);
  const sites = setOf(filter.sites);
  const { metric, operator, threshold, clearThreshold, forSeconds } = condition;
  return {
    tenantId,
    ruleId,
    version,
    severity,
    condition,
    cooldownSeconds,
    basis: JSON.stringify([metric, operator, threshold, clearThreshold ?? threshold, forSeconds, severity]),
    watches: ({ deviceId, deviceType, site }) =>
      (devices === undefined || devices.has(deviceId)) &&
      (types === undefined || types.has(deviceType)) &&
      (sites === undefined || (site !== undefined && sites.has(site))),
  };
}

function setOf(entries: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return entries === undefined ? undefined : new Set(entries);
}
