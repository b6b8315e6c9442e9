import type { DomainEvent } from "../decider.js";
import type { TenantId } from "../ids.js";

export type TenantCreated = DomainEvent<"TenantCreated", { readonly tenantId: TenantId; readonly name: string }>;

export type TenantEvent = TenantCreated;
