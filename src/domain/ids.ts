import { DomainError } from "./error.js";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TenantId = Branded<"TenantId">;
export type DeviceId = Branded<"DeviceId">;
export type DeviceTypeId = Branded<"DeviceTypeId">;
export type CredentialId = Branded<"CredentialId">;
export type RuleId = Branded<"RuleId">;
export type AlertId = Branded<"AlertId">;

/** Tenant, device and device-type ids become topic levels, subject tokens and parts of stream names: these characters are safe in all three. */
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function named(what: string, value: string): string {
  if (NAME.test(value)) return value;
  throw new DomainError(
    "INVALID_VALUE",
    `${what} ${quoted(value)} is not valid: use 1 to 64 of the letters A-Z a-z, digits, "_" and "-"`,
  );
}

function uuid(what: string, value: string): string {
  if (UUID.test(value)) return value;
  throw new DomainError("INVALID_VALUE", `${what} ${quoted(value)} is not valid: it is a UUID in lower case`);
}

function quoted(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}

// Each checks a string and brands it, or throws INVALID_VALUE.
export const tenantId = (value: string): TenantId => named("tenant id", value) as TenantId;
export const deviceId = (value: string): DeviceId => named("device id", value) as DeviceId;
export const deviceTypeId = (value: string): DeviceTypeId => named("device type", value) as DeviceTypeId;
export const credentialId = (value: string): CredentialId => uuid("credential id", value) as CredentialId;
export const ruleId = (value: string): RuleId => uuid("rule id", value) as RuleId;
export const alertId = (value: string): AlertId => uuid("alert id", value) as AlertId;
