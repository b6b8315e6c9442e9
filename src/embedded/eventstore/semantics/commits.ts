/**
 * Tells waiting readers that something was committed. It carries no events: whoever is woken reads on from where it stood,
 * out of the log. That is why a subscription has no gap and no repeat where it turns live, and needs no memory of its own.
 */
export class Commits {
  #last: number;
  readonly #anyone = new Set<() => void>();
  readonly #byStream = new Map<string, Set<() => void>>();

  constructor(lastPosition: number) {
    this.#last = lastPosition;
  }

  /** The position of the last event that was announced. */
  get last(): number {
    return this.#last;
  }

  announce(lastPosition: number, streams: Iterable<string>): void {
    this.#last = lastPosition;
    for (const wake of this.#anyone) wake();
    for (const stream of streams) {
      for (const wake of this.#byStream.get(stream) ?? []) wake();
    }
  }

  /** Resolves once events beyond `position` were committed, or the signal is aborted. */
  async beyond(position: number, signal: AbortSignal): Promise<void> {
    if (this.#last > position || signal.aborted) return;
    await waitIn(this.#anyone, signal);
  }

  /** Resolves at the next commit that touches the stream, or when the signal is aborted. */
  async touching(stream: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const waiters = this.#byStream.get(stream) ?? new Set();
    this.#byStream.set(stream, waiters);
    await waitIn(waiters, signal);
    if (waiters.size === 0 && this.#byStream.get(stream) === waiters) this.#byStream.delete(stream);
  }
}

async function waitIn(waiters: Set<() => void>, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const wake = (): void => {
      waiters.delete(wake);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    waiters.add(wake);
    signal.addEventListener("abort", wake);
  });
}
