import { v5, v7 } from "uuid";

/** The namespace of every derived id. Part of the storage format: changing it would make replays mint new ids. */
const FLEETLOG_NAMESPACE = "6f2b1d0e-6e0c-5d7a-9b57-0d3c1f6a7e42";

/** A new id, sortable by its time of birth (UUID version 7). */
export function newId(): string {
  return v7();
}

/** The same parts give the same id, anywhere, any time (UUID version 5): what makes a retry land on its first outcome. */
export function derivedId(...parts: readonly (string | number)[]): string {
  return v5(parts.join("\u0000"), FLEETLOG_NAMESPACE);
}
