import type { TenantEvent } from "../../domain/tenant/index.js";
import type { Recorded } from "../../events/index.js";
import type { Projection } from "../projection.js";
import type { TenantDocument } from "./document.js";

export function evolveTenant(event: Recorded<TenantEvent>): TenantDocument {
  switch (event.type) {
    case "TenantCreated":
      return {
        ...event.data,
        _id: event.data.tenantId,
        revision: event.revision,
        createdAt: event.metadata.occurredAt,
      };
  }
}

export const tenantProjection: Projection = {
  name: "tenants",
  entity: "tenant",
  category: "tenant",
  indexes: [],
  documentId: (event) => event.metadata.tenantId,
  evolve: (_document, event) => evolveTenant(event as Recorded<TenantEvent>),
};
