import type { Command } from "../decider.js";
import type { CredentialId, DeviceId, DeviceTypeId, TenantId } from "../ids.js";
import type { JsonObject } from "../json.js";
import type { Calibration, CredentialType, DetailChanges, DeviceDetails, OfflineReason } from "./events.js";

export type RegisterDevice = Command<
  "RegisterDevice",
  { readonly tenantId: TenantId; readonly deviceId: DeviceId; readonly deviceType: DeviceTypeId } & DeviceDetails
>;
export type ChangeDeviceDetails = Command<"ChangeDeviceDetails", DetailChanges>;
export type ActivateDevice = Command<"ActivateDevice", Record<string, never>>;
export type DeactivateDevice = Command<"DeactivateDevice", { readonly reason?: string }>;
export type StartMaintenance = Command<"StartMaintenance", { readonly reason?: string }>;
export type EndMaintenance = Command<"EndMaintenance", Record<string, never>>;
export type DecommissionDevice = Command<"DecommissionDevice", { readonly reason?: string }>;
export type IssueCredential = Command<
  "IssueCredential",
  {
    readonly credentialId: CredentialId;
    readonly credentialType: CredentialType;
    readonly hash: string;
    readonly label?: string;
    readonly expiresAt?: string;
  }
>;
export type RevokeCredential = Command<
  "RevokeCredential",
  { readonly credentialId: CredentialId; readonly reason?: string }
>;
/** `expectedVersion`: the configuration version that the caller saw last (0 for none); left out, the newest is replaced whatever it is. */
export type SetConfiguration = Command<
  "SetConfiguration",
  { readonly config: JsonObject; readonly expectedVersion?: number }
>;
/** The whole calibration, by metric name: it replaces the one before, and `{}` ends it. */
export type SetCalibration = Command<"SetCalibration", { readonly calibration: Readonly<Record<string, Calibration>> }>;
export type AssignGateway = Command<"AssignGateway", { readonly gatewayId: DeviceId }>;
export type RemoveGateway = Command<"RemoveGateway", Record<string, never>>;
export type ReportConfiguration = Command<
  "ReportConfiguration",
  { readonly version: number; readonly status: "applied" | "failed"; readonly error?: string }
>;
export type ReportFirmware = Command<"ReportFirmware", { readonly firmwareVersion: string }>;
export type ReportOnline = Command<"ReportOnline", { readonly since: string }>;
export type ReportOffline = Command<"ReportOffline", { readonly since: string; readonly reason: OfflineReason }>;

export type DeviceCommand =
  | RegisterDevice
  | ChangeDeviceDetails
  | ActivateDevice
  | DeactivateDevice
  | StartMaintenance
  | EndMaintenance
  | DecommissionDevice
  | IssueCredential
  | RevokeCredential
  | SetConfiguration
  | SetCalibration
  | AssignGateway
  | RemoveGateway
  | ReportConfiguration
  | ReportFirmware
  | ReportOnline
  | ReportOffline;
