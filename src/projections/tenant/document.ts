import type { TenantId } from "../../domain/ids.js";
import type { RetentionRule, TenantLimits } from "../../domain/tenant/index.js";
import type { ReadModelDocument } from "../document.js";

/** `_id` is the tenant's id. */
export interface TenantDocument extends ReadModelDocument {
  readonly tenantId: TenantId;
  readonly name: string;
  /** Not there before the first ones are set: then the platform's defaults hold. */
  readonly limits?: TenantLimits;
  /** Not there before the first ones are set: then everything is kept. */
  readonly retention?: readonly RetentionRule[];
  readonly createdAt: string;
}
