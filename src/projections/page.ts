import type { Collection, Document, Filter } from "mongodb";
import { FleetlogError } from "../platform/errors.js";
import type { ReadModelDocument } from "./document.js";

/** No page is longer. */
export const MAX_PAGE = 500;

export interface PageRequest {
  /** Entries wanted, 1 to MAX_PAGE. */
  readonly first: number;
  /** The cursor after which the page begins. */
  readonly after?: string;
  /** A field of the document, dotted where nested, and the way. `_id` breaks ties. */
  readonly sort: { readonly field: string; readonly descending: boolean };
}

export interface Page<D> {
  readonly items: readonly { readonly cursor: string; readonly document: D }[];
  readonly hasNextPage: boolean;
}

/**
 * One page in index order, found by key and not by counting: the thousandth page costs what the first does, and a page
 * neither repeats nor skips when entries come or go before it. `base` must hold `tenantId` as equality: the wall between tenants.
 * Throws PAGE_TOO_LARGE, or BAD_REQUEST for a cursor that is not one of ours.
 */
export async function findPage<D extends Pick<ReadModelDocument, "_id" | "tenantId">>(
  collection: Collection<D>,
  base: Filter<D> & { readonly tenantId: string },
  { first, after, sort }: PageRequest,
): Promise<Page<D>> {
  if (!Number.isInteger(first) || first < 1 || first > MAX_PAGE) {
    throw new FleetlogError("PAGE_TOO_LARGE", `first is ${first}: a page has 1 to ${MAX_PAGE} entries`);
  }
  const { field, descending } = sort;
  const direction = descending ? -1 : 1;
  const filter = after === undefined ? base : { $and: [base, afterCursor(after, sort)] };
  const order: Record<string, 1 | -1> = field === "_id" ? { _id: direction } : { [field]: direction, _id: direction };
  const found = await collection.find(filter as Filter<D>, { sort: order, limit: first + 1 }).toArray();
  const items = found.slice(0, first).map((document) => ({
    cursor: encodeCursor(valueAt(document, field), document._id),
    document: document as D,
  }));
  return { items, hasNextPage: found.length > first };
}

function afterCursor(cursor: string, { field, descending }: PageRequest["sort"]): Document {
  const { value, id } = decodeCursor(cursor);
  const beyond = descending ? "$lt" : "$gt";
  if (field === "_id") return { _id: { [beyond]: id } };
  const tie = { [field]: value, _id: { [beyond]: id } };
  // A missing field sorts before every value, and "less than nothing" is no range: only the tie is left of it.
  if (value === null) return { $or: descending ? [tie] : [tie, { [field]: { $ne: null } }] };
  return { $or: [tie, { [field]: { [beyond]: value } }, ...(descending ? [{ [field]: null }] : [])] };
}

function valueAt(document: object, field: string): unknown {
  return field
    .split(".")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}

type CursorValue = string | number | boolean | null;

function encodeCursor(value: unknown, id: string): string {
  return Buffer.from(JSON.stringify([value ?? null, id])).toString("base64url");
}

function decodeCursor(cursor: string): { readonly value: CursorValue; readonly id: string } {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (Array.isArray(parsed) && parsed.length === 2 && isCursorValue(parsed[0]) && typeof parsed[1] === "string") {
      return { value: parsed[0], id: parsed[1] };
    }
  } catch {
    // Told below: whatever it was, it was not a cursor.
  }
  throw new FleetlogError("BAD_REQUEST", "the cursor is not one that an earlier page gave: start without `after`");
}

function isCursorValue(value: unknown): value is CursorValue {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}
