/** Out of what a bucket of a series is made: the coarsest rollups that fit into it, and finer ones, or readings, at the edges. */
import { resolutions } from "../../domain/tenant/index.js";
import type { Resolution } from "../../domain/tenant/index.js";
import { ceilTo, floorTo, levels } from "../rollups/levels.js";
import type { Level } from "../rollups/levels.js";
import type { Horizon } from "./horizons.js";

export interface Segment {
  readonly source: Resolution;
  readonly from: number;
  readonly to: number;
}

const finer: Readonly<Record<Level, Resolution>> = { DAY: "HOUR", HOUR: "MINUTE", MINUTE: "RAW" };

/** The coarsest resolution whose windows fill a bucket without remainder. */
function sourceFor(step: number): Resolution {
  return (["DAY", "HOUR", "MINUTE"] as const).find((level) => step % levels[level].ms === 0) ?? "RAW";
}

export function coarsest(sources: readonly Resolution[]): Resolution {
  return (["DAY", "HOUR", "MINUTE"] as const).find((level) => sources.includes(level)) ?? "RAW";
}

/**
 * Together they cover the range once: what is not closed, not whole, or deleted at one resolution is taken from the next finer,
 * and what is owed a correction from the readings, as long as there are any.
 */
export function segmentsOf(
  range: { readonly from: number; readonly to: number },
  step: number,
  metric: string,
  horizon: Horizon,
): readonly Segment[] {
  const cover = (source: Resolution, from: number, to: number): readonly Segment[] => {
    if (from >= to) return [];
    const begin = Math.max(from, horizon.readableFrom(source, metric));
    if (source === "RAW") return begin >= to ? [] : [{ source, from: begin, to }];
    const whole = ceilTo(source, begin);
    const end = Math.min(floorTo(source, to), horizon.closed?.[source] ?? 0);
    if (whole >= end) return cover(finer[source], from, to);
    return [...cover(finer[source], from, whole), { source, from: whole, to: end }, ...cover(finer[source], end, to)];
  };
  const source = sourceFor(step);
  const segments: Segment[] = [];
  let at = range.from;
  for (const owed of horizon.owed) {
    // Where the readings are gone the rollups are all there is, and nothing corrects them any more.
    const from = Math.max(at, owed.from, horizon.readableFrom("RAW", metric));
    const to = Math.min(owed.to, range.to);
    if (from >= to) continue;
    segments.push(...cover(source, at, from), { source: "RAW", from, to });
    at = to;
  }
  return [...segments, ...cover(source, at, range.to)];
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Lengths that people read easily, each a multiple of a rollup's from a minute on. */
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 5, 10, 30, 100, 365].map((n) => n * DAY),
];

/**
 * The shortest step in which the range has at most so many buckets, and for which there is something to make them of from
 * its beginning on: where retention has taken the minutes, hours are the shortest. Buckets begin at whole multiples since 1970.
 */
export function stepFor(
  range: { readonly from: number; readonly to: number },
  maxPoints: number,
  metric: string,
  horizon: Horizon,
): number {
  const buckets = (step: number): number => Math.ceil(range.to / step) - Math.floor(range.from / step);
  const readable = resolutions.find((resolution) => horizon.readableFrom(resolution, metric) <= range.from) ?? "DAY";
  const least = readable === "RAW" ? SECOND : levels[readable].ms;
  const found = STEPS.find((step) => step % least === 0 && buckets(step) <= maxPoints);
  if (found !== undefined) return found;
  // So few points for so many years: whole years, as many as it takes.
  let step = 365 * DAY;
  while (buckets(step) > maxPoints) step *= 2;
  return step;
}
