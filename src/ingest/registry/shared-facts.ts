/**
 * What many devices share — their type's definition, their tenant's limits — kept as one object for each, which is changed in place:
 * a change is in force for all devices that hold it at once, however many they are.
 */
import { BoundedMap } from "../../platform/bounded-map.js";

export interface SharedFactsOptions<Facts, Document> {
  readonly find: (tenant: string, id: string) => Promise<Document | undefined>;
  /** Before anything is known, and where there is no such thing. */
  readonly blank: () => Facts;
  /** Makes the object say what the document says. */
  readonly apply: (facts: Facts, document: Document) => void;
  /** Whether what was looked up then may have changed without our hearing of it. */
  readonly isOld: (checkedAt: number) => boolean;
  /** The time to note for a look-up that failed, so that it is tried again soon, but not at once. */
  readonly failedAt: () => number;
  readonly onTrouble: (error: unknown) => void;
  /** Objects kept; beyond it the least recently looked up is let go: devices that hold it get a new one when they are looked up anew. */
  readonly capacity: number;
}

export interface SharedFacts<Facts, Document> {
  /** Always the same object for the same thing. Rejects only where nothing is known of it and the document store does not answer. */
  get(tenant: string, id: string): Promise<Facts>;
  /** A note of a change; one that is older than what is held changes nothing. */
  changed(tenant: string, id: string, document: Document): void;
  holds(tenant: string, id: string): boolean;
}

interface Held<Facts> {
  readonly facts: Facts;
  /** -1 before any document was seen. */
  revision: number;
  /** Undefined before the first answer. */
  checkedAt: number | undefined;
}

export function createSharedFacts<Facts, Document extends { readonly revision: number }>(
  options: SharedFactsOptions<Facts, Document>,
): SharedFacts<Facts, Document> {
  const held = new BoundedMap<string, Held<Facts>>(options.capacity);
  const loading = new Map<string, Promise<Facts>>();

  function take(entry: Held<Facts>, document: Document): void {
    if (document.revision <= entry.revision) return;
    entry.revision = document.revision;
    options.apply(entry.facts, document);
  }

  async function load(key: string, tenant: string, id: string): Promise<Facts> {
    const entry = held.peek(key) ?? { facts: options.blank(), revision: -1, checkedAt: undefined };
    // Before the query: a change that is announced while it is under way is taken too, and what it may show of before is not.
    held.set(key, entry);
    try {
      const document = await options.find(tenant, id);
      entry.checkedAt = Date.now();
      if (document !== undefined) take(entry, document);
    } catch (error) {
      options.onTrouble(error);
      if (entry.checkedAt === undefined && entry.revision < 0) {
        held.delete(key);
        throw error;
      }
      entry.checkedAt = options.failedAt();
    }
    return entry.facts;
  }

  return {
    get(tenant, id) {
      const key = `${tenant}/${id}`;
      const entry = held.get(key);
      if (entry?.checkedAt !== undefined && !options.isOld(entry.checkedAt)) return Promise.resolve(entry.facts);
      const underway = loading.get(key);
      if (underway !== undefined) return underway;
      const started = load(key, tenant, id).finally(() => loading.delete(key));
      loading.set(key, started);
      return started;
    },
    changed(tenant, id, document) {
      const entry = held.peek(`${tenant}/${id}`);
      if (entry !== undefined) take(entry, document);
    },
    holds: (tenant, id) => held.peek(`${tenant}/${id}`) !== undefined,
  };
}
