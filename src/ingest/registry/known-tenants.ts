/**
 * Whether there is such a tenant, for doors where any name may be claimed: what is kept for each tenant is bounded by
 * their number only if those that do not exist are none. A tenant that was there once is never gone.
 */
import { BoundedMap } from "../../platform/bounded-map.js";

/**
 * Whose the refusals are that claim a tenant there is not: one name for them all, which no tenant and no device can have
 * (see domain/ids.ts). What was claimed stands in the topic and the reason.
 */
export const nobody = { tenantId: "~unknown", deviceId: "~unknown" } as const;

export interface KnownTenantsOptions {
  readonly findTenant: (tenant: string) => Promise<unknown>;
  /** How long "there is no such tenant" is believed. */
  readonly absentForMs: number;
}

/** Of each kind, known and absent; beyond it the least recently used costs a query when it comes back. */
const MAX_TENANTS = 10_000;

/** Rejects only when it is not known and the document store does not answer. */
export function createKnownTenants({
  findTenant,
  absentForMs,
}: KnownTenantsOptions): (tenant: string) => Promise<boolean> {
  const known = new BoundedMap<string, true>(MAX_TENANTS);
  const absentUntil = new BoundedMap<string, number>(MAX_TENANTS);
  const loading = new Map<string, Promise<boolean>>();

  async function load(tenant: string): Promise<boolean> {
    const isThere = (await findTenant(tenant)) !== undefined;
    if (isThere) known.set(tenant, true);
    else absentUntil.set(tenant, Date.now() + absentForMs);
    return isThere;
  }

  return (tenant) => {
    if (known.get(tenant) === true) return Promise.resolve(true);
    if ((absentUntil.peek(tenant) ?? 0) > Date.now()) return Promise.resolve(false);
    const underway = loading.get(tenant);
    if (underway !== undefined) return underway;
    const started = load(tenant).finally(() => loading.delete(tenant));
    loading.set(tenant, started);
    return started;
  };
}
