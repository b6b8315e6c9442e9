/** TTL indexes: what is older than its index allows is removed, a bounded number at a time. */
import type { Collection } from "./catalog.js";
import type { IndexSpec } from "./index-spec.js";
import { prepareQuery } from "./query.js";
import type { Store } from "./store.js";
import { removeDocument } from "./writer.js";

/** Documents removed in one transaction, so that writers are never held up for long. */
const batchSize = 1_000;

/** Removes what has expired; returns how many documents that were. */
export async function removeExpired(store: Store, now: Date): Promise<number> {
  let removed = 0;
  const due = store.catalog
    .all()
    .flatMap((collection) => collection.indexes.map((index) => ({ collection, index })))
    .filter(({ index }) => index.expireAfterSeconds !== undefined);
  for (const { collection, index } of due) {
    for (;;) {
      const count = await store.write(() => removeBatch(store, collection, index, now));
      removed += count;
      if (count < batchSize) break;
    }
  }
  return removed;
}

function removeBatch(
  store: Store,
  { namespace }: Collection,
  { id, fields, expireAfterSeconds }: IndexSpec,
  now: Date,
): number {
  // Both may have been dropped, or reloaded, since the pass began.
  const collection = store.catalog.get(namespace);
  const index = collection?.indexes.find((candidate) => candidate.id === id);
  const [field] = fields;
  if (collection === undefined || index === undefined || field === undefined || expireAfterSeconds === undefined)
    return 0;
  const filter = { [field.path]: { $lte: new Date(now.getTime() - expireAfterSeconds * 1000) } };
  const partial = index.partial === undefined ? filter : { $and: [index.partial.filter, filter] };
  const found = [...prepareQuery(store, collection, { filter: partial, limit: batchSize, hint: index.name }).run()];
  for (const { record, bytes } of found) removeDocument(store, collection, record, bytes);
  return found.length;
}
