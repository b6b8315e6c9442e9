import type { DomainEvent } from "../decider.js";
import type { DeviceId, DeviceTypeId, RuleId, TenantId } from "../ids.js";
import type { JsonObject } from "../json.js";

export type Severity = "LOW" | "MEDIUM" | "HIGH" | "CRITICAL";
export type Operator = "GT" | "GTE" | "LT" | "LTE";

/** Which devices a rule watches: those that match every list given; an empty filter is the whole tenant. */
export interface DeviceFilter {
  readonly deviceIds?: readonly DeviceId[];
  readonly deviceTypes?: readonly DeviceTypeId[];
  readonly sites?: readonly string[];
}

/**
 * When a rule fires: `metric operator threshold` holds for `forSeconds` of device time without a break.
 * It clears when the value is back beyond `clearThreshold` (the hysteresis; the threshold itself when left out).
 */
export interface Condition {
  readonly metric: string;
  readonly operator: Operator;
  readonly threshold: number;
  readonly clearThreshold?: number;
  /** 0: the first reading that breaks the threshold raises the alert. */
  readonly forSeconds: number;
}

export interface RuleDefinition {
  readonly name: string;
  readonly description?: string;
  readonly filter: DeviceFilter;
  readonly condition: Condition;
  readonly severity: Severity;
  /** After an alert of this rule on a device, no new one on that device for so long (device time, from when it was raised). */
  readonly cooldownSeconds: number;
  /** Whom to tell, and how: kept for the notifiers to come. */
  readonly notificationChannels: readonly JsonObject[];
}

export type AlertRuleCreated = DomainEvent<
  "AlertRuleCreated",
  { readonly tenantId: TenantId; readonly ruleId: RuleId; readonly version: number } & RuleDefinition
>;
export type AlertRuleUpdated = DomainEvent<"AlertRuleUpdated", { readonly version: number } & RuleDefinition>;
export type AlertRuleEnabled = DomainEvent<"AlertRuleEnabled", Record<string, never>>;
export type AlertRuleDisabled = DomainEvent<"AlertRuleDisabled", Record<string, never>>;

export type AlertRuleEvent = AlertRuleCreated | AlertRuleUpdated | AlertRuleEnabled | AlertRuleDisabled;
