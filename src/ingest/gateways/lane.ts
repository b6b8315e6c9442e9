/**
 * Keeps messages in their order when some must wait for a look-up: while nothing waits a job runs at once, without a
 * promise; behind one that waits, all others wait too. Bounded: a job that finds no place is not taken.
 */
export class Lane {
  readonly #waiting: (() => void | Promise<void>)[] = [];
  readonly #capacity: number;
  readonly #onIdle: (() => void) | undefined;
  #isBusy = false;

  /** `onIdle`: told when the last that waited is done. */
  constructor(capacity: number, onIdle?: () => void) {
    this.#capacity = capacity;
    this.#onIdle = onIdle;
  }

  /** False when too many wait already. A job must not throw, and its promise must not reject. */
  run(job: () => void | Promise<void>): boolean {
    if (this.#isBusy) {
      if (this.#waiting.length >= this.#capacity) return false;
      this.#waiting.push(job);
      return true;
    }
    const done = job();
    if (done !== undefined) {
      this.#isBusy = true;
      void this.#drain(done);
    }
    return true;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting.length = 0;
  }

  async #drain(first: Promise<void>): Promise<void> {
    await first;
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) await job();
    this.#isBusy = false;
    this.#onIdle?.();
  }
}
