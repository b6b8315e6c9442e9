import type { Decider } from "../decider.js";
import { sameJson } from "../json.js";
import { checkDefinition } from "./check.js";
import type { DeviceTypeCommand } from "./commands.js";
import type { DeviceTypeEvent } from "./events.js";
import { evolve, initialState } from "./state.js";
import type { DeviceTypeState } from "./state.js";

export function decide(command: DeviceTypeCommand, state: DeviceTypeState): readonly DeviceTypeEvent[] {
  const { tenantId, deviceType, ...definition } = command.data;
  checkDefinition(command.data);
  const { version, ...current } = state;
  if (version > 0 && sameJson(definition, current)) return [];
  return [{ type: "DeviceTypeDefined", data: { tenantId, deviceType, version: version + 1, ...definition } }];
}

export const deviceTypeDecider: Decider<DeviceTypeState, DeviceTypeCommand, DeviceTypeEvent> = {
  initialState,
  decide,
  evolve,
};
