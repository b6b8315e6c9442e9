import { setTimeout as sleep } from "node:timers/promises";

export interface BackoffOptions {
  /** First delay, milliseconds. */
  readonly initialMs?: number;
  /** No delay is longer than this, milliseconds. */
  readonly maxMs?: number;
}

/**
 * Exponential back-off with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"):
 * the delay before try n is uniform in [0, min(maxMs, initialMs · 2ⁿ)], so that many who failed together do not return together.
 */
export class Backoff {
  readonly #initialMs: number;
  readonly #maxMs: number;
  #failures = 0;

  constructor({ initialMs = 100, maxMs = 10_000 }: BackoffOptions = {}) {
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
  }

  /** How many times in a row it has failed. */
  get failures(): number {
    return this.#failures;
  }

  /** The delay to keep before the next try, milliseconds; each call counts as one more failure. */
  next(): number {
    const ceiling = Math.min(this.#maxMs, this.#initialMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.ceil(Math.random() * ceiling);
  }

  /** It worked: start again from the first delay. */
  reset(): void {
    this.#failures = 0;
  }

  /** Waits for the next delay. Rejects with the signal's reason when aborted. */
  async wait(signal?: AbortSignal): Promise<void> {
    await sleep(this.next(), undefined, signal === undefined ? {} : { signal });
  }
}
