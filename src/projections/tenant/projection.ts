import type { TenantEvent } from "../../domain/tenant/index.js";
import type { Recorded } from "../../events/index.js";
import type { Projection } from "../projection.js";
import type { TenantDocument } from "./document.js";

export function evolveTenant(document: TenantDocument | undefined, event: Recorded<TenantEvent>): TenantDocument {
  const { revision } = event;
  if (event.type === "TenantCreated") {
    return { ...event.data, _id: event.data.tenantId, revision, createdAt: event.metadata.occurredAt };
  }
  if (document === undefined) throw new Error("the stream does not begin with TenantCreated");
  switch (event.type) {
    case "TenantLimitsChanged":
      return { ...document, revision, limits: event.data.limits };
    case "RetentionChanged":
      return { ...document, revision, retention: event.data.retention };
  }
}

export const tenantProjection: Projection = {
  name: "tenants",
  entity: "tenant",
  category: "tenant",
  indexes: [],
  documentId: (event) => event.metadata.tenantId,
  evolve: (document, event) => evolveTenant(document as TenantDocument | undefined, event as Recorded<TenantEvent>),
};
