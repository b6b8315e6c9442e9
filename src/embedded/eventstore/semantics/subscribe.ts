/**
 * Subscriptions, as loops over the log: read on from the last event, and at the end wait for the next commit. Catching up and
 * live are one and the same, so nothing is lost or repeated between them, and a slow subscriber costs the place where it stands.
 */
import type { EventRecord } from "../storage/record.js";
import type { Store } from "../storage/store.js";
import type { Commits } from "./commits.js";
import { matcher } from "./filter.js";
import type { EventFilter } from "./filter.js";
import { BATCH } from "./read.js";
import { visibleStream } from "./visibility.js";

/** A live subscriber that is so many events behind is told that it fell behind, and again when it has caught up. */
const FELL_BEHIND = 5_000;

export type Notice =
  /** Everything up to here was looked at; go on from here after a break. */
  | { readonly kind: "checkpoint"; readonly position: number }
  | { readonly kind: "caught-up" }
  | { readonly kind: "fell-behind" };

export type Delivery = EventRecord | Notice;

export interface Filtered {
  readonly filter: EventFilter;
  /** A checkpoint comes after so many events were looked at. */
  readonly checkpointEvery: number;
}

/** All events after `from`, for ever: ends when the signal is aborted. Throws `DataDamagedError`. */
export async function* subscribeToAll(
  store: Store,
  commits: Commits,
  from: "start" | "end" | number,
  filtered: Filtered | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly Delivery[]> {
  const matches = filtered === undefined ? () => true : matcher(filtered.filter);
  let cursor = from === "start" ? 0 : from === "end" ? store.lastPosition() : from;
  let lookedAt = 0;
  let live = false;
  while (!signal.aborted) {
    const events = store.readLog(cursor + 1, BATCH);
    if (events.length === 0 && live) {
      await commits.beyond(cursor, signal);
      continue;
    }
    const out: Delivery[] = [];
    if (events.length === 0) {
      live = true;
      if (filtered !== undefined && lookedAt > 0) out.push({ kind: "checkpoint", position: cursor });
      lookedAt = 0;
      out.push({ kind: "caught-up" });
    } else if (live && commits.last - cursor > FELL_BEHIND) {
      live = false;
      out.push({ kind: "fell-behind" });
    }
    for (const event of events) {
      cursor = event.position;
      if (matches(event)) out.push(event);
      lookedAt += 1;
      if (filtered !== undefined && lookedAt >= filtered.checkpointEvery) {
        out.push({ kind: "checkpoint", position: cursor });
        lookedAt = 0;
      }
    }
    yield out;
  }
}

/**
 * The events of one stream after revision `from`, for ever; the stream need not be there yet.
 * Throws `StreamTombstonedError`, also when that happens later; `DataDamagedError`.
 */
export async function* subscribeToStream(
  store: Store,
  commits: Commits,
  stream: string,
  from: "start" | "end" | number,
  signal: AbortSignal,
): AsyncGenerator<readonly Delivery[]> {
  let cursor = from === "start" ? -1 : from === "end" ? (visibleStream(store, stream)?.last ?? -1) : from;
  let live = false;
  while (!signal.aborted) {
    const visible = visibleStream(store, stream);
    const next = Math.max(cursor + 1, visible?.first ?? 0);
    const events =
      visible === undefined || next > visible.last ? [] : store.readStream(visible.id, next, visible.last, BATCH);
    const last = events.at(-1);
    if (last === undefined) {
      if (live) await commits.touching(stream, signal);
      else yield [{ kind: "caught-up" }];
      live = true;
      continue;
    }
    cursor = last.revision;
    const out: Delivery[] = events.filter((event) => visible?.young(event) ?? true);
    if (live && (visible?.last ?? 0) - cursor > FELL_BEHIND) {
      live = false;
      out.unshift({ kind: "fell-behind" });
    }
    yield out;
  }
}
