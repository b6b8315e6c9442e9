import { describe, expect, it } from "vitest";
import { deviceDecider } from "../../../src/domain/device/index.js";
import type { DeviceCommand, DeviceEvent, DeviceStatus } from "../../../src/domain/device/index.js";
import { DomainError } from "../../../src/domain/error.js";
import type { DomainErrorCode } from "../../../src/domain/error.js";
import { fold, specify } from "../../support/decider-specification.js";
import { NOW } from "../clock.js";
import { command, credential, event, gateway, historyTo, key, press, registered } from "./press.js";

const { given } = specify(deviceDecider);

type Status = DeviceStatus | "UNREGISTERED";
/** What a command leads to: the event it makes, nothing because it is so already, or the code it is refused with. */
type Outcome = DeviceEvent["type"] | "—" | DomainErrorCode;

const statuses = ["UNREGISTERED", "REGISTERED", "ACTIVE", "INACTIVE", "MAINTENANCE", "DECOMMISSIONED"] as const;

/** Each command, as it is given to a device that has set nothing, reported nothing, holds no key and has no gateway. */
const dataOf: { readonly [C in DeviceCommand as C["type"]]: C["data"] } = {
  RegisterDevice: press,
  ChangeDeviceDetails: { name: "Press 1" },
  ActivateDevice: {},
  DeactivateDevice: {},
  StartMaintenance: {},
  EndMaintenance: {},
  DecommissionDevice: {},
  IssueCredential: key(1),
  RevokeCredential: { credentialId: credential(1) },
  SetConfiguration: { config: { interval: 10 } },
  SetCalibration: { calibration: { temperature: { offset: 1 } } },
  AssignGateway: { gatewayId: gateway },
  RemoveGateway: {},
  ReportConfiguration: { version: 1, status: "applied" },
  ReportFirmware: { firmwareVersion: "1.0.0" },
  ReportOnline: { since: NOW },
  ReportOffline: { since: NOW, reason: "disconnected" },
};

const ILLEGAL = "ILLEGAL_TRANSITION";
// The table is the specification, and reads as one: its columns are `statuses`.
// prettier-ignore
const table: Readonly<Record<DeviceCommand["type"], readonly [Outcome, Outcome, Outcome, Outcome, Outcome, Outcome]>> = {
  RegisterDevice: ["DeviceRegistered", "ALREADY_EXISTS", "ALREADY_EXISTS", "ALREADY_EXISTS", "ALREADY_EXISTS", "ALREADY_EXISTS"],
  ChangeDeviceDetails: ["NOT_FOUND", "DeviceDetailsChanged", "DeviceDetailsChanged", "DeviceDetailsChanged", "DeviceDetailsChanged", ILLEGAL],
  ActivateDevice: ["NOT_FOUND", "DeviceActivated", "—", "DeviceActivated", ILLEGAL, ILLEGAL],
  DeactivateDevice: ["NOT_FOUND", ILLEGAL, "DeviceDeactivated", "—", "DeviceDeactivated", ILLEGAL],
  StartMaintenance: ["NOT_FOUND", ILLEGAL, "MaintenanceStarted", "MaintenanceStarted", "—", ILLEGAL],
  EndMaintenance: ["NOT_FOUND", ILLEGAL, "—", ILLEGAL, "MaintenanceEnded", ILLEGAL],
  DecommissionDevice: ["NOT_FOUND", "DeviceDecommissioned", "DeviceDecommissioned", "DeviceDecommissioned", "DeviceDecommissioned", "—"],
  IssueCredential: ["NOT_FOUND", "CredentialIssued", "CredentialIssued", "CredentialIssued", "CredentialIssued", ILLEGAL],
  RevokeCredential: ["NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"],
  SetConfiguration: ["NOT_FOUND", "ConfigurationChanged", "ConfigurationChanged", "ConfigurationChanged", "ConfigurationChanged", ILLEGAL],
  SetCalibration: ["NOT_FOUND", "CalibrationChanged", "CalibrationChanged", "CalibrationChanged", "CalibrationChanged", ILLEGAL],
  AssignGateway: ["NOT_FOUND", "GatewayAssigned", "GatewayAssigned", "GatewayAssigned", "GatewayAssigned", ILLEGAL],
  RemoveGateway: ["NOT_FOUND", "—", "—", "—", "—", ILLEGAL],
  ReportConfiguration: ["NOT_FOUND", "INVALID_VALUE", "INVALID_VALUE", "INVALID_VALUE", "INVALID_VALUE", "—"],
  ReportFirmware: ["NOT_FOUND", "FirmwareUpdated", "FirmwareUpdated", "FirmwareUpdated", "FirmwareUpdated", "—"],
  ReportOnline: ["NOT_FOUND", "DeviceWentOnline", "DeviceWentOnline", "DeviceWentOnline", "DeviceWentOnline", "—"],
  ReportOffline: ["NOT_FOUND", "—", "—", "—", "—", "—"],
};

const commands = Object.entries(dataOf).map(([type, data]) => ({ type, at: NOW, data }) as DeviceCommand);

const cells = statuses.flatMap((status, column) =>
  commands.map((command) => [status, command.type, table[command.type][column] as Outcome, command] as const),
);

function outcomeOf(status: Status, command: DeviceCommand): readonly string[] {
  try {
    const events = deviceDecider.decide(command, fold(deviceDecider, historyTo[status]));
    return events.length === 0 ? ["—"] : events.map((happened) => happened.type);
  } catch (error) {
    if (error instanceof DomainError) return [error.code];
    throw error;
  }
}

describe("every command in every status", () => {
  it.each(cells)("%s, %s: %s", (status, _, outcome, command) => {
    expect(outcomeOf(status, command)).toEqual([outcome]);
  });
});

describe("each history leads to the status that the table names it by", () => {
  it.each(statuses)("%s", (status) => {
    expect(fold(deviceDecider, historyTo[status]).status).toBe(status);
  });
});

describe("a step", () => {
  it("brings a device out of maintenance into service", () =>
    expect(fold(deviceDecider, [...historyTo.MAINTENANCE, event("MaintenanceEnded", {})]).status).toBe("ACTIVE"));

  it("keeps the reason that was given", () => {
    const reason = "bearing is worn";
    given(...historyTo.ACTIVE)
      .when(command("StartMaintenance", { reason }))
      .then(event("MaintenanceStarted", { reason }));
    given(...historyTo.ACTIVE)
      .when(command("DeactivateDevice", { reason }))
      .then(event("DeviceDeactivated", { reason }));
    given(...historyTo.ACTIVE)
      .when(command("DecommissionDevice", { reason }))
      .then(event("DeviceDecommissioned", { reason }));
  });

  it.each(["DeactivateDevice", "StartMaintenance", "DecommissionDevice"] as const)(
    "%s takes no endless reason",
    (type) =>
      given(...historyTo.ACTIVE)
        .when(command(type, { reason: "x".repeat(1_025) }))
        .thenRefused("INVALID_VALUE", /reason has at most 1024/u),
  );

  it("that does not exist says from where it would", () =>
    given(registered())
      .when(command("DeactivateDevice", {}))
      .thenRefused("ILLEGAL_TRANSITION", /press-1 is REGISTERED.*from ACTIVE or MAINTENANCE/u));

  it("on a decommissioned device says that it is the end", () =>
    given(...historyTo.DECOMMISSIONED)
      .when(command("ActivateDevice", {}))
      .thenRefused("ILLEGAL_TRANSITION", /press-1 is decommissioned: ActivateDevice/u));
});
