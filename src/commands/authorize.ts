import { FleetlogError } from "../platform/errors.js";
import type { Actor, UserRole } from "./actor.js";
import { PLATFORM } from "./actor.js";
import type { AnyCommand } from "./aggregates.js";

type Permission = "platform" | "reported" | readonly UserRole[];

const ADMIN = ["ADMIN"] as const;
const OPERATE = ["ADMIN", "OPERATOR"] as const;

/** Who may give which command. `reported`: no person says it, only a device or a part of the platform. */
const permissions: Readonly<Record<AnyCommand["type"], Permission>> = {
  CreateTenant: "platform",
  SetTenantLimits: "platform",
  SetRetention: ADMIN,
  DefineDeviceType: ADMIN,
  RegisterDevice: OPERATE,
  ChangeDeviceDetails: OPERATE,
  ActivateDevice: OPERATE,
  DeactivateDevice: OPERATE,
  StartMaintenance: OPERATE,
  EndMaintenance: OPERATE,
  DecommissionDevice: ADMIN,
  IssueCredential: ADMIN,
  RevokeCredential: ADMIN,
  SetConfiguration: OPERATE,
  SetCalibration: OPERATE,
  AssignGateway: OPERATE,
  RemoveGateway: OPERATE,
  ReportConfiguration: "reported",
  ReportFirmware: "reported",
  ReportOnline: "reported",
  ReportOffline: "reported",
  CreateAlertRule: OPERATE,
  UpdateAlertRule: OPERATE,
  EnableAlertRule: OPERATE,
  DisableAlertRule: OPERATE,
  RaiseAlert: "reported",
  AcknowledgeAlert: OPERATE,
  ResolveAlert: OPERATE,
};

/** Throws FORBIDDEN unless the actor may give this command in this tenant. */
export function authorize(actor: Actor, tenantId: string, command: AnyCommand["type"]): void {
  if (actor.kind === "system") return;
  const permission = permissions[command];
  if (permission === "platform") {
    if (actor.kind === "user" && actor.tenantId === PLATFORM && actor.role === "ADMIN") return;
    throw new FleetlogError("FORBIDDEN", `${command} takes a platform administrator's token`);
  }
  // The wall: nothing is ever done in another tenant, and the answer does not tell whether the thing exists there.
  if (actor.tenantId !== tenantId) {
    throw new FleetlogError("FORBIDDEN", `the token is for tenant ${actor.tenantId}, not ${tenantId}`);
  }
  if (actor.kind === "device") {
    if (permission === "reported") return;
    throw new FleetlogError("FORBIDDEN", `a device may not give ${command}`);
  }
  if (permission === "reported") throw new FleetlogError("FORBIDDEN", `${command} is not a person's to give`);
  if (!permission.includes(actor.role)) {
    throw new FleetlogError("FORBIDDEN", `${command} takes the role ${permission.join(" or ")}, not ${actor.role}`);
  }
}
