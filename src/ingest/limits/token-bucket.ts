import type { RateLimit } from "../../domain/tenant/index.js";

/** Whoever waits asks again after this, at the latest: the limit may have been changed. Nothing a second is a limit, too. */
const MAX_WAIT_MS = 60_000;

/**
 * So many a second in the long run, so many at once after a quiet time. Refilled when it is looked at: a bucket that nobody
 * asks costs nothing. What costs more than the bucket holds passes once it is full, and is owed afterwards: it waits, but
 * never for ever. All times are ms of one clock that does not run backwards.
 */
export class TokenBucket {
  #perMs: number;
  #burst: number;
  #tokens: number;
  #at: number;

  constructor({ perSecond, burst }: RateLimit, now: number) {
    this.#perMs = perSecond / 1_000;
    this.#burst = Math.max(1, burst);
    this.#tokens = this.#burst;
    this.#at = now;
  }

  /** Ms until `cost` fits; 0 when it does now. */
  waitFor(cost: number, now: number): number {
    this.#refill(now);
    const needed = cost < this.#burst ? cost : this.#burst;
    if (this.#tokens >= needed) return 0;
    return Math.min(MAX_WAIT_MS, Math.ceil((needed - this.#tokens) / this.#perMs));
  }

  /** Whether it fits is `waitFor`'s to say, and is asked before. */
  take(cost: number): void {
    this.#tokens -= cost;
  }

  /** As good as a new one. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#burst;
  }

  /** From now on another limit holds; what was used up stays used up. */
  change({ perSecond, burst }: RateLimit, now: number): void {
    this.#refill(now);
    const used = this.#burst - this.#tokens;
    this.#perMs = perSecond / 1_000;
    this.#burst = Math.max(1, burst);
    this.#tokens = this.#burst - Math.min(used, this.#burst);
  }

  #refill(now: number): void {
    const passed = now - this.#at;
    if (passed <= 0) return;
    this.#at = now;
    const tokens = this.#tokens + passed * this.#perMs;
    this.#tokens = tokens < this.#burst ? tokens : this.#burst;
  }
}
