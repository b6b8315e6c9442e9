import { FleetlogError } from "./errors.js";

/** Lets `concurrent` tasks run at once; `waiting` more may queue, first come first served, and the rest are refused with LIMIT_EXCEEDED. */
export class Limiter {
  readonly #concurrent: number;
  readonly #waiting: number;
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(concurrent: number, waiting: number) {
    this.#concurrent = concurrent;
    this.#waiting = waiting;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running < this.#concurrent) {
      this.#running += 1;
    } else {
      if (this.#queue.length >= this.#waiting) {
        throw new FleetlogError(
          "LIMIT_EXCEEDED",
          `${this.#waiting} requests are waiting already: slow down and try again`,
        );
      }
      // The one who leaves hands its place over: the count of running tasks stays as it is.
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    try {
      return await task();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
