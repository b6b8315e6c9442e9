import type { MetricValue } from "../../reading.js";

/** What is remembered of one metric of a device. Times are the device's, ms. */
export interface MetricState {
  /** The newest value, and what was said of it: the same reading, sent again, is judged the same. */
  at: number;
  value: MetricValue;
  flags: string;
  /** The newest that was no spike: an outlier makes no outlier of what follows it. */
  believedAt: number;
  believed: MetricValue;
  unchangedSince: number;
}

export interface DeviceState {
  newest: number;
  /** The newest reading that came after a gap. */
  gapAt: number;
  readonly metrics: Map<string, MetricState>;
}

/**
 * The last values of the devices whose types ask for it, in this process. Bounded by metrics, because a device may have
 * 256 of them: beyond the bound the device that was silent longest is forgotten, and its next reading compared with nothing.
 */
export class DeviceStates {
  readonly #devices = new Map<string, DeviceState>();
  readonly #capacity: number;
  #held = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get devices(): number {
    return this.#devices.size;
  }

  /** Counts as a use. */
  get(tenant: string, device: string): DeviceState | undefined {
    const key = `${tenant}/${device}`;
    const state = this.#devices.get(key);
    if (state === undefined) return undefined;
    this.#devices.delete(key);
    this.#devices.set(key, state);
    return state;
  }

  add(tenant: string, device: string, state: DeviceState): void {
    this.#devices.set(`${tenant}/${device}`, state);
    this.#held += 1;
    this.#shrink();
  }

  addMetric(state: DeviceState, metric: string, values: MetricState): void {
    state.metrics.set(metric, values);
    this.#held += 1;
    this.#shrink();
  }

  #shrink(): void {
    while (this.#held > this.#capacity) {
      const oldest = this.#devices.entries().next();
      if (oldest.done === true) return;
      const [key, { metrics }] = oldest.value;
      this.#devices.delete(key);
      this.#held -= 1 + metrics.size;
    }
  }
}
