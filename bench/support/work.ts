/** Work done by several hands at once, and timed. */
import { LatencyHistogram } from "./latency-histogram.js";

export interface Timed {
  readonly seconds: number;
  readonly perSecond: number;
  readonly latencies: LatencyHistogram;
}

/** Does task 0 to `count` - 1, `hands` at a time. Rejects with the first failure. */
export async function timed(count: number, hands: number, task: (n: number) => Promise<unknown>): Promise<Timed> {
  const latencies = new LatencyHistogram();
  const began = performance.now();
  let next = 0;
  async function hand(): Promise<void> {
    for (let n = next++; n < count; n = next++) {
      const at = performance.now();
      await task(n);
      latencies.record(performance.now() - at);
    }
  }
  await Promise.all(Array.from({ length: Math.min(hands, count) }, hand));
  const seconds = (performance.now() - began) / 1_000;
  return { seconds, perSecond: count / seconds, latencies };
}

/** Looks until `condition` holds; throws, saying what for, when it does not within `withinMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 30_000,
  everyMs = 20,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms for ${what}, in vain`);
    await new Promise((resolve) => {
      setTimeout(resolve, everyMs);
    });
  }
}
