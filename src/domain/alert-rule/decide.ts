import type { Decider } from "../decider.js";
import { never } from "../decider.js";
import { DomainError } from "../error.js";
import { sameJson } from "../json.js";
import type { AlertRuleCommand } from "./commands.js";
import { checkDefinition } from "./definition.js";
import type { AlertRuleEvent, RuleDefinition } from "./events.js";
import type { AlertRuleState } from "./state.js";
import { evolve, initialState } from "./state.js";

export function decide(command: AlertRuleCommand, state: AlertRuleState): readonly AlertRuleEvent[] {
  if (command.type === "CreateAlertRule") {
    if (state.status !== "ABSENT") {
      throw new DomainError("ALREADY_EXISTS", `alert rule ${command.data.ruleId} exists already`);
    }
    checkDefinition(command.data);
    return [{ type: "AlertRuleCreated", data: { ...command.data, version: 1 } }];
  }
  if (state.status === "ABSENT") throw new DomainError("NOT_FOUND", "there is no such alert rule in this tenant");
  switch (command.type) {
    case "UpdateAlertRule": {
      const { expectedVersion, changes } = command.data;
      if (expectedVersion !== undefined && expectedVersion !== state.version) {
        throw new DomainError(
          "VERSION_CONFLICT",
          `the alert rule is at version ${state.version}, not ${expectedVersion}: read it again and decide anew`,
          { currentVersion: state.version, expectedVersion },
        );
      }
      const definition: RuleDefinition = { ...state.definition, ...changes };
      checkDefinition(definition);
      if (sameJson(definition, state.definition)) return [];
      return [{ type: "AlertRuleUpdated", data: { ...definition, version: state.version + 1 } }];
    }
    case "EnableAlertRule":
      return state.enabled ? [] : [{ type: "AlertRuleEnabled", data: {} }];
    case "DisableAlertRule":
      return state.enabled ? [{ type: "AlertRuleDisabled", data: {} }] : [];
    default:
      return never(command);
  }
}

export const alertRuleDecider: Decider<AlertRuleState, AlertRuleCommand, AlertRuleEvent> = {
  initialState,
  decide,
  evolve,
};
