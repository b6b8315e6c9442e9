/** What happened to an alert, as the command that says so. JSON-safe: it is kept beside the state until it is accepted. */
import type { RaiseAlert, ResolveAlert } from "../../domain/alert/index.js";
import type { Operator } from "../../domain/alert-rule/index.js";
import { alertId, deviceId as asDeviceId } from "../../domain/ids.js";
import type { AlertId } from "../../domain/ids.js";
import { derivedId } from "../../platform/ids.js";
import type { Rule } from "./rule.js";

export interface Transition {
  readonly tenantId: string;
  readonly alertId: AlertId;
  /** Derived: whoever comes to the same transition gives the same command, and it is decided once. */
  readonly commandId: string;
  readonly command: RaiseAlert | ResolveAlert;
}

/** One episode, one id: `since` is the device time at which the condition began to hold. */
export function episodeId(tenantId: string, ruleId: string, deviceId: string, since: number): AlertId {
  return alertId(derivedId("alert", tenantId, ruleId, deviceId, since));
}

export interface Raised {
  readonly deviceId: string;
  /** Device time, ms. */
  readonly since: number;
  readonly at: number;
  readonly value: number;
}

export function raise(rule: Rule, { deviceId, since, at, value }: Raised, now: Date): Transition {
  const { tenantId, ruleId, version, severity, condition } = rule;
  const id = episodeId(tenantId, ruleId, deviceId, since);
  return {
    tenantId,
    alertId: id,
    commandId: derivedId("raise", id),
    command: {
      type: "RaiseAlert",
      at: now.toISOString(),
      data: {
        tenantId,
        alertId: id,
        ruleId,
        ruleVersion: version,
        deviceId: asDeviceId(deviceId),
        severity,
        message: alertMessage(rule, deviceId, value),
        metric: condition.metric,
        value,
        threshold: condition.threshold,
        since: new Date(since).toISOString(),
        triggeredAt: new Date(at).toISOString(),
      },
    },
  };
}

export type Resolution =
  | { readonly cause: "condition-cleared"; readonly at: number; readonly value: number }
  | { readonly cause: "rule-changed"; readonly at: number };

export function resolve(tenantId: string, id: AlertId, resolution: Resolution, now: Date): Transition {
  const { at, ...rest } = resolution;
  return {
    tenantId,
    alertId: id,
    commandId: derivedId("resolve", id),
    command: {
      type: "ResolveAlert",
      at: now.toISOString(),
      data: { resolvedAt: new Date(at).toISOString(), ...rest },
    },
  };
}

const words: Readonly<Record<Operator, string>> = { GT: "above", GTE: "at or above", LT: "below", LTE: "at or below" };

/** For people: "temperature 92.4 of press-1 is above 90 for 300 s". */
function alertMessage({ condition }: Pick<Rule, "condition">, deviceId: string, value: number): string {
  const { metric, operator, threshold, forSeconds } = condition;
  const lasting = forSeconds === 0 ? "" : ` for ${forSeconds} s`;
  return `${metric} ${Number(value.toPrecision(6))} of ${deviceId} is ${words[operator]} ${threshold}${lasting}`;
}
