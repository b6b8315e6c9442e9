import type { Severity } from "../alert-rule/events.js";
import type { DomainEvent } from "../decider.js";
import type { AlertId, DeviceId, RuleId, TenantId } from "../ids.js";

export type AlertRaised = DomainEvent<
  "AlertRaised",
  {
    readonly tenantId: TenantId;
    readonly alertId: AlertId;
    readonly ruleId: RuleId;
    /** The version of the rule that judged. */
    readonly ruleVersion: number;
    readonly deviceId: DeviceId;
    readonly severity: Severity;
    readonly message: string;
    readonly metric: string;
    readonly value: number;
    readonly threshold: number;
    /** Device time at which the condition began to hold: what makes the episode one. */
    readonly since: string;
    /** Device time of the reading that completed it. */
    readonly triggeredAt: string;
  }
>;
export type AlertAcknowledged = DomainEvent<"AlertAcknowledged", { readonly by: string; readonly note?: string }>;
/** `resolvedAt` is device time where the condition cleared, else when a person said so. */
export type AlertResolved = DomainEvent<
  "AlertResolved",
  {
    readonly resolvedAt: string;
    readonly cause: "condition-cleared" | "rule-changed" | "device-decommissioned" | "by-hand";
    readonly value?: number;
    readonly by?: string;
    readonly note?: string;
  }
>;

export type AlertEvent = AlertRaised | AlertAcknowledged | AlertResolved;
