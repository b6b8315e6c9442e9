import { registerEnumType } from "type-graphql";
import type { Operator as DomainOperator, Severity as DomainSeverity } from "../../domain/alert-rule/index.js";

export const Severity = {
  LOW: "LOW",
  MEDIUM: "MEDIUM",
  HIGH: "HIGH",
  CRITICAL: "CRITICAL",
} as const satisfies { readonly [S in DomainSeverity]: S };
registerEnumType(Severity, { name: "Severity" });

export const Operator = {
  GT: "GT",
  GTE: "GTE",
  LT: "LT",
  LTE: "LTE",
} as const satisfies { readonly [O in DomainOperator]: O };
registerEnumType(Operator, { name: "Operator", description: "How a value is held against the threshold: > ≥ < ≤." });

/** The field of the read model that each sorts by. */
export const alertRuleSortFields = { NAME: "name", CREATED_AT: "createdAt" } as const;
export type AlertRuleSortField = keyof typeof alertRuleSortFields;
export const AlertRuleSortField = { NAME: "NAME", CREATED_AT: "CREATED_AT" } as const;
registerEnumType(AlertRuleSortField, { name: "AlertRuleSortField" });
