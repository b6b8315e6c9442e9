import type { TenantId } from "../domain/ids.js";
import type { ReadModelDocument } from "../projections/index.js";

/** What `subjects.changed` carries. */
export interface ChangeNote<D extends ReadModelDocument> {
  readonly entity: string;
  readonly id: string;
  readonly document: D;
}

/**
 * The document of a change note, which the projector publishes after its write; undefined when it is another tenant's.
 * The subject holds the tenant already: this is the second lock on the same door.
 */
export function changedDocument<D extends ReadModelDocument>(note: ChangeNote<D>, tenantId: TenantId): D | undefined {
  const { document } = note;
  return document.tenantId === tenantId ? document : undefined;
}
