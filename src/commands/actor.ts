import type { TenantId } from "../domain/ids.js";

/** What a person may do: `ADMIN` everything in the tenant, `OPERATOR` daily work, `VIEWER` look, `AUDITOR` look, at the history too. */
export const userRoles = ["ADMIN", "OPERATOR", "VIEWER", "AUDITOR"] as const;
export type UserRole = (typeof userRoles)[number];

/** The tenant of tokens that run the platform itself: they create tenants and rebuild projections, and see no tenant's data. */
export const PLATFORM = "*";

export type Actor =
  | {
      readonly kind: "user";
      readonly subject: string;
      readonly tenantId: TenantId | typeof PLATFORM;
      readonly role: UserRole;
    }
  | { readonly kind: "device"; readonly tenantId: TenantId; readonly deviceId: string }
  | { readonly kind: "system"; readonly part: string };

/** As it stands in the history. */
export function actorName(actor: Actor): string {
  switch (actor.kind) {
    case "user":
      return `user:${actor.subject}`;
    case "device":
      return `device:${actor.deviceId}`;
    case "system":
      return `system:${actor.part}`;
  }
}
