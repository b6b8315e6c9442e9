/**
 * The newest device time seen of each watched (device, metric), so that a late reading is known for one where nothing
 * is pending and so no state is kept. Bounded: when `capacity` devices are reached, those not heard for longest are forgotten,
 * all at once and without bookkeeping per reading; a late reading of theirs would be judged like a first one.
 */
export class LastTimes {
  readonly #half: number;
  #young = new Map<string, DeviceTimes>();
  #old = new Map<string, DeviceTimes>();

  constructor(capacity: number) {
    this.#half = Math.max(1, Math.floor(capacity / 2));
  }

  /** A device's times, by its name; good until the next device is asked for. */
  of(device: string): DeviceTimes {
    const young = this.#young.get(device);
    if (young !== undefined) return young;
    const times = this.#old.get(device) ?? new DeviceTimes();
    if (this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(device, times);
    return times;
  }
}

/** Of one device: a handful of metrics, so looking through them is quicker than any table. */
class DeviceTimes {
  readonly #metrics: string[] = [];
  readonly #times: number[] = [];

  /** The newest before this one; `at` takes its place where it is newer. */
  note(metric: string, at: number): number | undefined {
    const index = this.#metrics.indexOf(metric);
    if (index === -1) {
      this.#metrics.push(metric);
      this.#times.push(at);
      return undefined;
    }
    const last = this.#times[index];
    if (last === undefined || at > last) this.#times[index] = at;
    return last;
  }
}

export type { DeviceTimes };
