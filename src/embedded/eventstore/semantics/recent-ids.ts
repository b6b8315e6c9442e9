import type { EventRecord } from "../storage/record.js";
import type { Store } from "../storage/store.js";

/** How many of the last event ids are remembered, ≈ 200 bytes each; the oldest is forgotten first. */
const REMEMBERED = 50_000;

export interface Place {
  readonly stream: string;
  readonly revision: number;
  readonly position: number;
}

/**
 * The ids of the last events, to know a retry that expects no exact revision (`judge`). EventStoreDB, too, keeps a bounded memory
 * of them; unlike there ours survives a restart, because it is read back from the end of the log.
 */
export class RecentIds {
  readonly #places = new Map<string, Place>();

  static fromLog(store: Store): RecentIds {
    const ids = new RecentIds();
    let from = Math.max(1, store.lastPosition() - REMEMBERED + 1);
    for (;;) {
      const events = store.readLog(from, { count: 1_000, bytes: 16 * 1024 * 1024 });
      for (const event of events) ids.#addRecord(event);
      const last = events.at(-1);
      if (last === undefined) return ids;
      from = last.position + 1;
    }
  }

  get(id: Buffer): Place | undefined {
    return this.#places.get(key(id));
  }

  add(id: Buffer, place: Place): void {
    this.#places.set(key(id), place);
    if (this.#places.size <= REMEMBERED) return;
    const [oldest] = this.#places.keys();
    if (oldest !== undefined) this.#places.delete(oldest);
  }

  /** Takes back what was never committed. */
  forget(id: Buffer): void {
    this.#places.delete(key(id));
  }

  #addRecord(event: EventRecord): void {
    this.add(event.id, { stream: event.stream.toString(), revision: event.revision, position: event.position });
  }
}

function key(id: Buffer): string {
  return id.toString("latin1");
}
