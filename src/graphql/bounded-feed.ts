/** Put in place of everything that waited, when a subscriber did not keep up: the last item it is given. */
export class Overflow {
  readonly bound: number;

  constructor(bound: number) {
    this.bound = bound;
  }
}

/**
 * A queue between a source that pushes and one reader that pulls. It holds at most `bound` items: one more, and
 * all that waited is given up for a single Overflow, after which it ends, so that a slow reader costs a bounded
 * amount of memory and knows that it missed something. No async generator: `return` must end a pending `next` at once.
 */
export class BoundedFeed<T> implements AsyncIterableIterator<T | Overflow> {
  readonly #bound: number;
  readonly #onEnd: () => void;
  #items: (T | Overflow)[] = [];
  #waiting: ((result: IteratorResult<T | Overflow>) => void)[] = [];
  #ended = false;

  /** `onEnd` is called once, whichever side ended it: stop pushing. */
  constructor(bound: number, onEnd: () => void) {
    this.#bound = bound;
    this.#onEnd = onEnd;
  }

  push(item: T): void {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    if (reader !== undefined) {
      reader({ done: false, value: item });
    } else if (this.#items.length < this.#bound) {
      this.#items.push(item);
    } else {
      this.#items = [new Overflow(this.#bound)];
      this.end();
    }
  }

  /** What waits is still given out; nothing comes after it. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const reader of this.#waiting) reader({ done: true, value: undefined });
    this.#waiting = [];
    this.#onEnd();
  }

  next(): Promise<IteratorResult<T | Overflow>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<T | Overflow>> {
    this.#items = [];
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
