/** Reads that end. Both give batches, so that whoever sends them decides when the next one is fetched. */
import type { EventRecord } from "../storage/record.js";
import type { ReadLimit, Store } from "../storage/store.js";
import { matcher } from "./filter.js";
import type { EventFilter } from "./filter.js";
import { visibleStream } from "./visibility.js";

/** One batch: small enough that other callers get their turn, large enough to be worth a write to the socket. */
export const BATCH: ReadLimit = { count: 512, bytes: 1024 * 1024 };

export interface ReadPlan {
  readonly direction: "forwards" | "backwards";
  /** A revision of the stream, or a position in the log. */
  readonly from: "start" | "end" | number;
  readonly maxCount: number;
}

/**
 * Events of one stream, `from` included in both directions. `undefined` if there is no such stream.
 * Throws `StreamTombstonedError`, `DataDamagedError`.
 */
export function readStream(
  store: Store,
  stream: string,
  plan: ReadPlan,
): Generator<readonly EventRecord[]> | undefined {
  if (visibleStream(store, stream) === undefined) return undefined;
  return plan.direction === "forwards" ? streamForwards(store, stream, plan) : streamBackwards(store, stream, plan);
}

function* streamForwards(store: Store, stream: string, plan: ReadPlan): Generator<readonly EventRecord[]> {
  if (plan.from === "end") return;
  let next = plan.from === "start" ? 0 : plan.from;
  let wanted = plan.maxCount;
  while (wanted > 0) {
    const visible = visibleStream(store, stream);
    if (visible === undefined) return;
    next = Math.max(next, visible.first);
    if (next > visible.last) return;
    const events = store.readStream(visible.id, next, visible.last, { ...BATCH, count: Math.min(wanted, BATCH.count) });
    const last = events.at(-1);
    if (last === undefined) return;
    next = last.revision + 1;
    const young = events.filter(visible.young);
    wanted -= young.length;
    yield young;
  }
}

function* streamBackwards(store: Store, stream: string, plan: ReadPlan): Generator<readonly EventRecord[]> {
  let next = plan.from === "end" ? Infinity : plan.from === "start" ? 0 : plan.from;
  let wanted = plan.maxCount;
  while (wanted > 0) {
    const visible = visibleStream(store, stream);
    if (visible === undefined) return;
    next = Math.min(next, visible.last);
    if (next < visible.first) return;
    const limit = { ...BATCH, count: Math.min(wanted, BATCH.count) };
    // One revision is neither forwards nor backwards.
    const events = store.readStream(visible.id, next, visible.first, limit);
    const last = events.at(-1);
    if (last === undefined) return;
    next = last.revision - 1;
    const young = events.filter(visible.young);
    wanted -= young.length;
    yield young;
    if (young.length < events.length) return; // the rest is older still
  }
}

/** Events of the whole log: forwards from a position, that event included; backwards from it, that event not included. */
export function* readAll(
  store: Store,
  plan: ReadPlan & { readonly filter?: EventFilter },
): Generator<readonly EventRecord[]> {
  const forwards = plan.direction === "forwards";
  if (plan.from === (forwards ? "end" : "start")) return;
  let next = typeof plan.from === "number" ? plan.from : forwards ? 1 : store.lastPosition() + 1;
  // What is appended while we read is not ours: a read ends.
  const end = store.lastPosition();
  const matches = plan.filter === undefined ? () => true : matcher(plan.filter);
  let wanted = plan.maxCount;
  while (wanted > 0) {
    const limit = { ...BATCH, count: plan.filter === undefined ? Math.min(wanted, BATCH.count) : BATCH.count };
    const events = forwards ? store.readLog(next, limit) : store.readLogBackwards(next, limit);
    const last = events.at(-1);
    if (last === undefined || (forwards && next > end)) return;
    next = forwards ? last.position + 1 : last.position;
    const found = events.filter(matches).slice(0, wanted);
    wanted -= found.length;
    yield found;
  }
}
