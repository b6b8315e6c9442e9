/** When what was acknowledged is readable. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SentTimes } from "./mqtt-loader.js";
import type { BenchPlatform } from "./platform.js";

export interface StoredCount {
  readonly stored: number;
  /** `performance.now()` at which the count was there. */
  readonly at: number;
}

const LOOK_EVERY_MS = 250;
const PATIENCE_MS = 30_000;

export function countStored(
  { telemetry, tenant }: Pick<BenchPlatform, "telemetry" | "tenant">,
  { firstTs, lastTs }: SentTimes,
  metric: string,
): Promise<number> {
  return telemetry.count(tenant, { from: firstTs, to: lastTs + 1, metric });
}

/** Counts until there are so many; gives up when the count has stood still for half a minute. */
export async function untilStored(
  bench: Pick<BenchPlatform, "telemetry" | "tenant">,
  sent: SentTimes,
  metric: string,
  wanted: number,
): Promise<StoredCount> {
  let stored = -1;
  let movedAt = performance.now();
  for (;;) {
    // While InfluxDB is away, or busy with what it was sent, a count may fail: the next one may not.
    const now = await countStored(bench, sent, metric).catch(() => stored);
    const at = performance.now();
    if (now !== stored) movedAt = at;
    stored = now;
    if (stored >= wanted || at - movedAt > PATIENCE_MS) return { stored, at: movedAt };
    await sleep(LOOK_EVERY_MS);
  }
}
