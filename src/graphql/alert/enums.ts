import { registerEnumType } from "type-graphql";
import type { AlertStatus as DomainStatus } from "../../domain/alert/index.js";

export const AlertStatus = {
  ACTIVE: "ACTIVE",
  ACKNOWLEDGED: "ACKNOWLEDGED",
  RESOLVED: "RESOLVED",
} as const satisfies { readonly [S in DomainStatus]: S };
registerEnumType(AlertStatus, { name: "AlertStatus" });

/** The field of the read model that each sorts by. */
export const alertSortFields = { TRIGGERED_AT: "triggeredAt" } as const;
export type AlertSortField = keyof typeof alertSortFields;
export const AlertSortField = { TRIGGERED_AT: "TRIGGERED_AT" } as const;
registerEnumType(AlertSortField, { name: "AlertSortField" });
