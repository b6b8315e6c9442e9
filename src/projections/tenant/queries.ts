import type { Generations } from "../generations.js";
import type { TenantDocument } from "./document.js";

export interface TenantQueries {
  find(tenantId: string): Promise<TenantDocument | undefined>;
}

export function createTenantQueries(generations: Generations): TenantQueries {
  return {
    async find(tenantId) {
      return (await (await generations.current<TenantDocument>("tenants")).findOne({ _id: tenantId })) ?? undefined;
    },
  };
}
