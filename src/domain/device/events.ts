import type { DomainEvent } from "../decider.js";
import type { CredentialId, DeviceId, DeviceTypeId, TenantId } from "../ids.js";
import type { JsonObject } from "../json.js";

/** Where a device stands. `site` is a short label (it becomes a tag of the time-series store); the coordinates are WGS 84 degrees. */
export interface Location {
  readonly site?: string;
  readonly latitude?: number;
  readonly longitude?: number;
}

/** What people say about a device, as opposed to what it does. */
export interface DeviceDetails {
  readonly name?: string;
  readonly description?: string;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly firmwareVersion?: string;
  readonly location?: Location;
  readonly metadata?: JsonObject;
}

export type DeviceRegistered = DomainEvent<
  "DeviceRegistered",
  { readonly tenantId: TenantId; readonly deviceId: DeviceId; readonly deviceType: DeviceTypeId } & DeviceDetails
>;
/** Fields to change: `null` takes one away, one that is not there stays as it is. */
export type DetailChanges = { readonly [F in keyof DeviceDetails]?: DeviceDetails[F] | null };
/** Carries the fields that changed, and only those. */
export type DeviceDetailsChanged = DomainEvent<"DeviceDetailsChanged", DetailChanges>;

export type DeviceActivated = DomainEvent<"DeviceActivated", Record<string, never>>;
export type DeviceDeactivated = DomainEvent<"DeviceDeactivated", { readonly reason?: string }>;
export type MaintenanceStarted = DomainEvent<"MaintenanceStarted", { readonly reason?: string }>;
export type MaintenanceEnded = DomainEvent<"MaintenanceEnded", Record<string, never>>;
export type DeviceDecommissioned = DomainEvent<"DeviceDecommissioned", { readonly reason?: string }>;

export type CredentialType = "API_KEY";

/** `hash` is the SHA-256 of the key, in hex: the key itself is shown once and kept nowhere. */
export type CredentialIssued = DomainEvent<
  "CredentialIssued",
  {
    readonly credentialId: CredentialId;
    readonly credentialType: CredentialType;
    readonly hash: string;
    readonly label?: string;
    readonly expiresAt?: string;
  }
>;
export type CredentialRevoked = DomainEvent<
  "CredentialRevoked",
  { readonly credentialId: CredentialId; readonly reason?: string }
>;

export type ConfigurationChanged = DomainEvent<
  "ConfigurationChanged",
  { readonly version: number; readonly config: JsonObject }
>;
export type ConfigurationApplied = DomainEvent<"ConfigurationApplied", { readonly version: number }>;
export type ConfigurationFailed = DomainEvent<
  "ConfigurationFailed",
  { readonly version: number; readonly error: string }
>;

/** The value that is believed is `scale` × the raw one + `offset`, `scale` being 1 and `offset` 0 where they are not given. */
export interface Calibration {
  readonly offset?: number;
  readonly scale?: number;
}
/** Carries the whole calibration, by metric name: what is not in it is taken as it comes. */
export type CalibrationChanged = DomainEvent<
  "CalibrationChanged",
  { readonly calibration: Readonly<Record<string, Calibration>> }
>;

/** From now on the gateway, a device of the same tenant, may speak for this one. */
export type GatewayAssigned = DomainEvent<"GatewayAssigned", { readonly gatewayId: DeviceId }>;
export type GatewayRemoved = DomainEvent<"GatewayRemoved", { readonly gatewayId: DeviceId }>;

/** The device says that it runs this version now. */
export type FirmwareUpdated = DomainEvent<
  "FirmwareUpdated",
  { readonly firmwareVersion: string; readonly previousVersion?: string }
>;

export type OfflineReason = "disconnected" | "connection-lost" | "silent";

/** A real transition: within the grace time nothing is recorded, and none is caused by our own restarts. */
export type DeviceWentOnline = DomainEvent<"DeviceWentOnline", { readonly since: string }>;
export type DeviceWentOffline = DomainEvent<
  "DeviceWentOffline",
  { readonly since: string; readonly reason: OfflineReason }
>;

export type DeviceEvent =
  | DeviceRegistered
  | DeviceDetailsChanged
  | DeviceActivated
  | DeviceDeactivated
  | MaintenanceStarted
  | MaintenanceEnded
  | DeviceDecommissioned
  | CredentialIssued
  | CredentialRevoked
  | ConfigurationChanged
  | ConfigurationApplied
  | ConfigurationFailed
  | CalibrationChanged
  | GatewayAssigned
  | GatewayRemoved
  | FirmwareUpdated
  | DeviceWentOnline
  | DeviceWentOffline;
