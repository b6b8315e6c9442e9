import type { AlertRuleEvent, RuleDefinition } from "./events.js";

export type AlertRuleState =
  | { readonly status: "ABSENT" }
  | {
      readonly status: "PRESENT";
      readonly enabled: boolean;
      readonly version: number;
      readonly definition: RuleDefinition;
    };

export const initialState: AlertRuleState = { status: "ABSENT" };

export function evolve(state: AlertRuleState, event: AlertRuleEvent): AlertRuleState {
  if (event.type === "AlertRuleCreated") {
    const { tenantId: _tenant, ruleId: _rule, version, ...definition } = event.data;
    return { status: "PRESENT", enabled: true, version, definition };
  }
  if (state.status === "ABSENT") return state;
  switch (event.type) {
    case "AlertRuleUpdated": {
      const { version, ...definition } = event.data;
      return { ...state, version, definition };
    }
    case "AlertRuleEnabled":
      return { ...state, enabled: true };
    case "AlertRuleDisabled":
      return { ...state, enabled: false };
  }
}
