import type { Command } from "../decider.js";
import type { RuleId, TenantId } from "../ids.js";
import type { RuleDefinition } from "./events.js";

export type CreateAlertRule = Command<
  "CreateAlertRule",
  { readonly tenantId: TenantId; readonly ruleId: RuleId } & RuleDefinition
>;
/** Replaces the definition. `expectedVersion`: the version that the caller saw last; left out, the newest is replaced. */
export type UpdateAlertRule = Command<
  "UpdateAlertRule",
  { readonly expectedVersion?: number; readonly changes: Partial<RuleDefinition> }
>;
export type EnableAlertRule = Command<"EnableAlertRule", Record<string, never>>;
export type DisableAlertRule = Command<"DisableAlertRule", Record<string, never>>;

export type AlertRuleCommand = CreateAlertRule | UpdateAlertRule | EnableAlertRule | DisableAlertRule;
