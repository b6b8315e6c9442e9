import { registerEnumType } from "type-graphql";
import type {
  CredentialType as DomainCredentialType,
  DeviceStatus as DomainStatus,
} from "../../domain/device/index.js";

export const DeviceStatus = {
  REGISTERED: "REGISTERED",
  ACTIVE: "ACTIVE",
  INACTIVE: "INACTIVE",
  MAINTENANCE: "MAINTENANCE",
  DECOMMISSIONED: "DECOMMISSIONED",
} as const satisfies { readonly [S in DomainStatus]: S };
registerEnumType(DeviceStatus, {
  name: "DeviceStatus",
  description:
    "REGISTERED → ACTIVE ⇄ INACTIVE / MAINTENANCE → DECOMMISSIONED, which is the end. Devices talk when ACTIVE or in MAINTENANCE.",
});

export const CredentialType = { API_KEY: "API_KEY" } as const satisfies { readonly [T in DomainCredentialType]: T };
registerEnumType(CredentialType, { name: "CredentialType" });

export const ConfigurationStatus = { PENDING: "PENDING", APPLIED: "APPLIED", FAILED: "FAILED" } as const;
registerEnumType(ConfigurationStatus, {
  name: "ConfigurationStatus",
  description: "PENDING until the device says that it runs the version, or that it could not.",
});

/** The field of the read model that each sorts by. */
export const deviceSortFields = {
  ID: "deviceId",
  NAME: "name",
  CREATED_AT: "createdAt",
  UPDATED_AT: "updatedAt",
} as const;
export type DeviceSortField = keyof typeof deviceSortFields;
export const DeviceSortField = { ID: "ID", NAME: "NAME", CREATED_AT: "CREATED_AT", UPDATED_AT: "UPDATED_AT" } as const;
registerEnumType(DeviceSortField, { name: "DeviceSortField" });
