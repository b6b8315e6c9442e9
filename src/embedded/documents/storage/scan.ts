/** Reads the records of a plan, a stretch at a time. */
import { RawDocument } from "../semantics/bson.js";
import type { Matcher } from "../semantics/filter.js";
import type { Collection } from "./catalog.js";
import type { Plan } from "./planner.js";
import { recordIdAt, recordKey } from "./store.js";
import type { Store } from "./store.js";

export interface Found {
  readonly record: number;
  readonly bytes: Buffer;
}

export interface ScanCounts {
  keysExamined: number;
  docsExamined: number;
}

const firstChunk = 64;
const largestChunk = 1_024;

interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/**
 * Holds no transaction between two steps: it may be left for as long as its cursor lives, and goes on after the key where
 * it stood. As on the real server, what changes meanwhile may or may not be seen.
 */
function* entriesOf(
  store: Store,
  table: "entries" | "documents",
  start: Buffer,
  end: Buffer,
  reverse: boolean,
): Generator<Entry> {
  let size = firstChunk;
  let from = reverse ? end : start;
  for (;;) {
    const range = reverse
      ? { start: from, end: start, reverse, exclusiveStart: true, inclusiveEnd: true, limit: size }
      : { start: from, end, limit: size };
    const chunk: Entry[] = [...store[table].getRange(range)];
    yield* chunk;
    const last = chunk.at(-1);
    if (last === undefined || chunk.length < size) return;
    from = reverse ? last.key : Buffer.concat([last.key, Buffer.alloc(1)]);
    size = Math.min(size * 2, largestChunk);
  }
}

/** The records of the plan, each once, not yet tested against the filter. */
export function* scanRecords(store: Store, plan: Plan, counts: ScanCounts): Generator<number> {
  const { index } = plan;
  if (index === undefined) return;
  if (plan.point !== undefined) {
    const value = store.entries.get(plan.point);
    counts.keysExamined += 1;
    if (value !== undefined) yield recordIdAt(value, 0);
    return;
  }
  const seen = index.multikey ? new Set<number>() : undefined;
  for (const { start, end } of plan.reverse ? plan.intervals.toReversed() : plan.intervals) {
    for (const { key, value } of entriesOf(store, "entries", start, end, plan.reverse)) {
      counts.keysExamined += 1;
      const record = index.unique ? recordIdAt(value, 0) : recordIdAt(key, key.length - 8);
      if (seen !== undefined) {
        if (seen.has(record)) continue;
        seen.add(record);
      }
      yield record;
    }
  }
}

/** The documents of the plan that pass the filter. */
export function* scan(
  store: Store,
  collection: Collection,
  plan: Plan,
  matches: Matcher,
  counts: ScanCounts = { keysExamined: 0, docsExamined: 0 },
): Generator<Found> {
  for (const found of candidates(store, collection, plan, counts)) {
    counts.docsExamined += 1;
    if (plan.exact || matches(new RawDocument(found.bytes))) yield found;
  }
}

function* candidates(store: Store, collection: Collection, plan: Plan, counts: ScanCounts): Generator<Found> {
  if (plan.index === undefined) {
    const [start, end] = [recordKey(collection.id, 0), recordKey(collection.id + 1, 0)];
    for (const { key, value } of entriesOf(store, "documents", start, end, plan.reverse)) {
      yield { record: recordIdAt(key, 4), bytes: value };
    }
    return;
  }
  for (const record of scanRecords(store, plan, counts)) {
    const bytes = store.document(collection, record);
    if (bytes !== undefined) yield { record, bytes };
  }
}
