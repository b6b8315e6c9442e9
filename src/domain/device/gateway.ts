import { DomainError } from "../error.js";
import type { AssignGateway } from "./commands.js";
import type { DeviceEvent } from "./events.js";
import type { RegisteredDevice } from "./state.js";

/** Takes the place of the gateway before, if there was one. That the gateway exists is checked where the command comes in: no aggregate sees another. */
export function decideGatewayAssignment(command: AssignGateway, state: RegisteredDevice): readonly DeviceEvent[] {
  const { gatewayId } = command.data;
  if (gatewayId === state.deviceId) {
    throw new DomainError(
      "INVALID_VALUE",
      `device ${gatewayId} cannot be its own gateway: it speaks for itself already`,
    );
  }
  return gatewayId === state.gatewayId ? [] : [{ type: "GatewayAssigned", data: { gatewayId } }];
}

export function decideGatewayRemoval({ gatewayId }: RegisteredDevice): readonly DeviceEvent[] {
  return gatewayId === undefined ? [] : [{ type: "GatewayRemoved", data: { gatewayId } }];
}
