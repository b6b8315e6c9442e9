import type { TenantId } from "../../domain/ids.js";
import type { ReadModelDocument } from "../document.js";

/** `_id` is the tenant's id. */
export interface TenantDocument extends ReadModelDocument {
  readonly tenantId: TenantId;
  readonly name: string;
  readonly createdAt: string;
}
