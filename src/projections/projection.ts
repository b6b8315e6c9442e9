import type { IndexDescription } from "mongodb";
import type { Category, Recorded } from "../events/index.js";
import type { ReadModelDocument } from "./document.js";

/**
 * A read model: how events become documents. Pure: `evolve` is given the document as it stands (undefined at first)
 * and gives it as it is after the event; it may neither read a clock nor ask anyone. The runner does the rest.
 */
export interface Projection<D extends ReadModelDocument = ReadModelDocument> {
  /** Names its collection, its checkpoint and its line in /readyz. */
  readonly name: string;
  /** The entity that it tells of, in the subject of its change notes. */
  readonly entity: "device" | "device-type" | "alert" | "alert-rule" | "tenant";
  /** The streams that it reads. */
  readonly category: Category;
  readonly indexes: readonly IndexDescription[];
  /** The document that an event belongs to. */
  documentId(event: Recorded): string;
  /** Undefined where the event says nothing to this model. */
  evolve(document: D | undefined, event: Recorded): D | undefined;
}
