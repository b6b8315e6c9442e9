import type { Decider } from "../decider.js";
import { never } from "../decider.js";
import { DomainError } from "../error.js";
import { checkLength, MAX_REMARK_LENGTH } from "../text.js";
import { decideCalibration } from "./calibration.js";
import type { DeviceCommand } from "./commands.js";
import { decideConfigurationReport, decideConfigurationSet } from "./configuration.js";
import { decideCredentialIssue, decideCredentialRevocation } from "./credentials.js";
import { changedDetails, checkDetails } from "./details.js";
import type { DeviceEvent } from "./events.js";
import { decideGatewayAssignment, decideGatewayRemoval } from "./gateway.js";
import type { DeviceState, DeviceStatus, RegisteredDevice } from "./state.js";
import { evolve, initialState } from "./state.js";

export function decide(command: DeviceCommand, state: DeviceState): readonly DeviceEvent[] {
  if (command.type === "RegisterDevice") {
    if (state.status !== "UNREGISTERED") {
      throw new DomainError("ALREADY_EXISTS", `device ${command.data.deviceId} is registered already`);
    }
    checkDetails(command.data);
    return [{ type: "DeviceRegistered", data: command.data }];
  }
  if (state.status === "UNREGISTERED") throw new DomainError("NOT_FOUND", "there is no such device in this tenant");
  // Devices report late: what one says after it was taken out of service is heard and changes nothing.
  if (state.status === "DECOMMISSIONED" && !isReport(command)) return decideDecommissioned(command, state);
  switch (command.type) {
    case "ChangeDeviceDetails": {
      checkDetails(command.data);
      const changed = changedDetails(state.details, command.data);
      return Object.keys(changed).length === 0 ? [] : [{ type: "DeviceDetailsChanged", data: changed }];
    }
    case "ActivateDevice":
      return step(state, command, ["REGISTERED", "INACTIVE"], "ACTIVE", { type: "DeviceActivated", data: {} });
    case "DeactivateDevice":
      checkLength("reason", command.data.reason, MAX_REMARK_LENGTH);
      return step(state, command, ["ACTIVE", "MAINTENANCE"], "INACTIVE", {
        type: "DeviceDeactivated",
        data: command.data,
      });
    case "StartMaintenance":
      checkLength("reason", command.data.reason, MAX_REMARK_LENGTH);
      return step(state, command, ["ACTIVE", "INACTIVE"], "MAINTENANCE", {
        type: "MaintenanceStarted",
        data: command.data,
      });
    case "EndMaintenance":
      return step(state, command, ["MAINTENANCE"], "ACTIVE", { type: "MaintenanceEnded", data: {} });
    case "DecommissionDevice":
      checkLength("reason", command.data.reason, MAX_REMARK_LENGTH);
      return [{ type: "DeviceDecommissioned", data: command.data }];
    case "IssueCredential":
      return decideCredentialIssue(command, state);
    case "RevokeCredential":
      return decideCredentialRevocation(command, state);
    case "SetConfiguration":
      return decideConfigurationSet(command, state);
    case "SetCalibration":
      return decideCalibration(command, state);
    case "AssignGateway":
      return decideGatewayAssignment(command, state);
    case "RemoveGateway":
      return decideGatewayRemoval(state);
    case "ReportConfiguration":
      return state.status === "DECOMMISSIONED" ? [] : decideConfigurationReport(command, state);
    case "ReportFirmware": {
      const { firmwareVersion } = command.data;
      const previousVersion = state.details.firmwareVersion;
      if (firmwareVersion === previousVersion || state.status === "DECOMMISSIONED") return [];
      checkDetails({ firmwareVersion });
      const data = previousVersion === undefined ? { firmwareVersion } : { firmwareVersion, previousVersion };
      return [{ type: "FirmwareUpdated", data }];
    }
    case "ReportOnline":
      return state.online || state.status === "DECOMMISSIONED"
        ? []
        : [{ type: "DeviceWentOnline", data: command.data }];
    case "ReportOffline":
      return state.online ? [{ type: "DeviceWentOffline", data: command.data }] : [];
    default:
      return never(command);
  }
}

function isReport(command: DeviceCommand): boolean {
  switch (command.type) {
    case "ReportConfiguration":
    case "ReportFirmware":
    case "ReportOnline":
    case "ReportOffline":
      return true;
    case "RegisterDevice":
    case "ChangeDeviceDetails":
    case "ActivateDevice":
    case "DeactivateDevice":
    case "StartMaintenance":
    case "EndMaintenance":
    case "DecommissionDevice":
    case "IssueCredential":
    case "RevokeCredential":
    case "SetConfiguration":
    case "SetCalibration":
    case "AssignGateway":
    case "RemoveGateway":
      return false;
  }
}

/** Decommissioned is the end: only saying so again, and taking a key away, still mean something. */
function decideDecommissioned(command: DeviceCommand, state: RegisteredDevice): readonly DeviceEvent[] {
  if (command.type === "DecommissionDevice") return [];
  if (command.type === "RevokeCredential") return decideCredentialRevocation(command, state);
  throw new DomainError(
    "ILLEGAL_TRANSITION",
    `device ${state.deviceId} is decommissioned: ${command.type} is refused`,
    {
      from: state.status,
      command: command.type,
    },
  );
}

function step(
  state: RegisteredDevice,
  command: DeviceCommand,
  from: readonly DeviceStatus[],
  to: DeviceStatus,
  event: DeviceEvent,
): readonly DeviceEvent[] {
  if (state.status === to) return [];
  if (from.includes(state.status)) return [event];
  throw new DomainError(
    "ILLEGAL_TRANSITION",
    `device ${state.deviceId} is ${state.status}: ${command.type} works from ${from.join(" or ")}`,
    { from: state.status, command: command.type },
  );
}

export const deviceDecider: Decider<DeviceState, DeviceCommand, DeviceEvent> = { initialState, decide, evolve };
