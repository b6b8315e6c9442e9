/**
 * The newest device time seen of each watched (device, metric), so that a late reading is known for one where nothing
 * is pending and so no state is kept. Bounded: when `capacity` is reached, those not heard for longest are forgotten,
 * all at once and without bookkeeping per reading; a late reading of theirs would be judged like a first one.
 */
export class LastTimes {
  readonly #half: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  constructor(capacity: number) {
    this.#half = Math.max(1, Math.floor(capacity / 2));
  }

  /** The newest before this one; `at` takes its place where it is newer. */
  note(key: string, at: number): number | undefined {
    const last = this.#young.get(key) ?? this.#old.get(key);
    this.#young.set(key, last === undefined || at > last ? at : last);
    if (this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return last;
  }
}
