import type { Command } from "../decider.js";
import type { TenantId } from "../ids.js";

export type CreateTenant = Command<"CreateTenant", { readonly tenantId: TenantId; readonly name: string }>;

export type TenantCommand = CreateTenant;
