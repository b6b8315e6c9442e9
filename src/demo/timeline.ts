import type { Recording, Span } from "./recordings.js";

/** What one device sends, and when it claims to have measured it. */
export interface Timeline {
  readonly length: number;
  /** Device time of the nth reading, ms since the epoch; never descending, all before `endsAt`. */
  time(n: number): number;
  value(n: number): number;
  /** The recorded anomalies in device time; none where the recording is begun elsewhere than at its beginning. */
  readonly anomalies: readonly Span[];
}

/**
 * A recording moved through time so that it ends at `endsAt`. `begin`, 0 to 1, says at which part of the recording the device
 * starts; having come to its end it goes on with its beginning. So devices may share a recording and still differ.
 */
export function createTimeline(recording: Recording, endsAt: number, begin = 0): Timeline {
  const { times, values } = recording;
  const length = times.length;
  const shift = endsAt - (times[length - 1] ?? endsAt);
  const offset = Math.floor(begin * length);
  const at = (n: number): number => (times[n] ?? Number.NaN) + shift;
  return {
    length,
    time: at,
    value: (n) => values[(n + offset) % length] ?? Number.NaN,
    anomalies: offset === 0 ? recording.anomalies.map(({ from, to }) => ({ from: from + shift, to: to + shift })) : [],
  };
}

/** How many of `length` readings are due when `elapsedMs` of a replay of `wholeMs` have gone by: even pace, all at the end. */
export function dueCount(length: number, elapsedMs: number, wholeMs: number): number {
  if (elapsedMs >= wholeMs) return length;
  return Math.max(0, Math.floor((elapsedMs / wholeMs) * length));
}
