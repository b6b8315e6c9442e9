import type { RuleDefinition } from "../../domain/alert-rule/index.js";
import type { RuleId, TenantId } from "../../domain/ids.js";
import type { ReadModelDocument } from "../document.js";

/** `_id` is the rule's id. */
export interface AlertRuleDocument extends ReadModelDocument, RuleDefinition {
  readonly tenantId: TenantId;
  readonly ruleId: RuleId;
  readonly version: number;
  readonly enabled: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
}
