/** Sorting of what an index does not give in order, by the same keys that an index would have. */
import { CommandError } from "../semantics/errors.js";
import { indexEntries } from "./index-entries.js";
import { indexFields } from "./index-spec.js";
import type { IndexSpec } from "./index-spec.js";
import type { SortField } from "./planner.js";

/** What a sort may hold, bytes; the real server's default. */
const maxSortBytes = 100 * 1024 * 1024;

interface Sortable<T> {
  readonly key: Buffer;
  readonly item: T;
}

/** The least items first, all of them or the first `limit`. Throws when they do not fit into memory. */
export function sortDocuments<T extends { readonly bytes: Buffer }>(
  items: Iterable<T>,
  sort: readonly SortField[],
  limit: number,
): readonly T[] {
  const pattern = asIndex(sort);
  let kept: Sortable<T>[] = [];
  let bytes = 0;
  const cut = (): void => {
    kept.sort((a, b) => Buffer.compare(a.key, b.key));
    kept = kept.slice(0, limit);
    bytes = kept.reduce((sum, { key, item }) => sum + key.length + item.bytes.length, 0);
  };
  for (const item of items) {
    // An array sorts by its least item, or its greatest where the order is descending: inverted, the least again.
    const [key = Buffer.alloc(0), ...others] = sortKeys(pattern, item.bytes);
    const least = others.reduce((a, b) => (Buffer.compare(a, b) <= 0 ? a : b), key);
    kept.push({ key: least, item });
    bytes += least.length + item.bytes.length;
    if (kept.length > 2 * limit + 1_000) cut();
    if (bytes > maxSortBytes) {
      throw new CommandError(
        292,
        `Sort exceeded memory limit of ${maxSortBytes} bytes, and there is no disk use: index the fields, or set a limit`,
      );
    }
  }
  cut();
  return kept.map(({ item }) => item);
}

function sortKeys(pattern: IndexSpec, document: Buffer): readonly Buffer[] {
  try {
    return indexEntries(pattern, document).keys;
  } catch (error) {
    if (!(error instanceof CommandError) || error.code !== 171) throw error;
    throw new CommandError(2, "cannot sort with keys that are parallel arrays");
  }
}

function asIndex(sort: readonly SortField[]): IndexSpec {
  return {
    id: 0,
    name: "sort",
    fields: indexFields(Object.fromEntries(sort.map(({ path, direction }) => [path, direction]))),
    unique: false,
    sparse: false,
    partial: undefined,
    expireAfterSeconds: undefined,
    multikey: false,
  };
}
