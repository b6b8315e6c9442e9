/** Counts latencies in buckets of 0.1 ms up to 60 s: of one size however many there are. */
const BUCKETS_PER_MS = 10;
const BUCKETS = 60_000 * BUCKETS_PER_MS;

export class Latencies {
  readonly #counts = new Uint32Array(BUCKETS + 1);
  #total = 0;

  get total(): number {
    return this.#total;
  }

  record(milliseconds: number): void {
    const bucket = Math.min(BUCKETS, Math.max(0, Math.floor(milliseconds * BUCKETS_PER_MS)));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
  }

  /** Ms, the upper edge of the bucket that holds the percentile; undefined when nothing was recorded. */
  percentile(percent: number): number | undefined {
    if (this.#total === 0) return undefined;
    const rank = Math.ceil((percent / 100) * this.#total);
    let seen = 0;
    const bucket = this.#counts.findIndex((count) => (seen += count) >= rank);
    return (bucket + 1) / BUCKETS_PER_MS;
  }
}
