/** Counts latencies in buckets of 10 µs up to 10 s: exact enough to compare, and of one size however many there are. */
const BUCKETS_PER_MS = 100;
const BUCKETS = 10_000 * BUCKETS_PER_MS;

export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS + 1);
  #total = 0;

  record(milliseconds: number): void {
    const bucket = Math.min(BUCKETS, Math.max(0, Math.floor(milliseconds * BUCKETS_PER_MS)));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  /** The upper edge of the bucket that holds the percentile, ms; 0 when nothing was recorded. */
  percentile(percent: number): number {
    if (this.#total === 0) return 0;
    const rank = Math.ceil((percent / 100) * this.#total);
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank && count > 0) return (bucket + 1) / BUCKETS_PER_MS;
    }
    return BUCKETS / BUCKETS_PER_MS;
  }
}
