import type { Command } from "../decider.js";
import type { TenantId } from "../ids.js";
import type { RetentionRule, TenantLimits } from "./events.js";

export type CreateTenant = Command<"CreateTenant", { readonly tenantId: TenantId; readonly name: string }>;
/** All limits of the tenant: what is not in it is left to the platform's defaults. */
export type SetTenantLimits = Command<"SetTenantLimits", { readonly limits: TenantLimits }>;
/** All retention rules of the tenant: what no rule speaks of is kept for ever. */
export type SetRetention = Command<"SetRetention", { readonly retention: readonly RetentionRule[] }>;

export type TenantCommand = CreateTenant | SetTenantLimits | SetRetention;
