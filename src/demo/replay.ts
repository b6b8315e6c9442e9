/** Plays the recordings through the devices: all in one go at an accelerated clock, then on in real time. */
import type { SimulatedDevice } from "./device.js";
import { dueCount } from "./timeline.js";
import type { Timeline } from "./timeline.js";

export interface Player {
  readonly device: SimulatedDevice;
  readonly timeline: Timeline;
}

const TICK_MS = 20;

/**
 * Every device plays the whole of its recording in `wholeMs`, at an even pace; later when the platform acknowledges slower than
 * that, for at most `window` readings of a device are under way. Resolves when all is sent, or as soon as `signal` is aborted.
 */
export function replay(players: readonly Player[], wholeMs: number, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  const next = players.map(() => 0);
  return ticking(TICK_MS, signal, () => {
    const elapsed = performance.now() - began;
    let finished = true;
    for (const [index, { device, timeline }] of players.entries()) {
      const due = dueCount(timeline.length, elapsed, wholeMs);
      let n = next[index] ?? 0;
      for (; n < due && device.hasRoom; n += 1) device.publish(timeline.time(n), timeline.value(n));
      next[index] = n;
      if (n < timeline.length) finished = false;
    }
    return finished;
  });
}

/** A reading a device every `everyMs`, stamped now, its values from the recording's beginning on. Resolves when `signal` is aborted. */
export function continueLive(players: readonly Player[], everyMs: number, signal: AbortSignal): Promise<void> {
  let round = 0;
  return ticking(everyMs, signal, () => {
    const now = Date.now();
    for (const { device, timeline } of players) {
      if (device.hasRoom) device.publish(now, timeline.value(round));
    }
    round += 1;
    return false;
  });
}

/** Calls `tick` until it says that it has finished, or the signal is aborted. */
function ticking(everyMs: number, signal: AbortSignal, tick: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearInterval(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setInterval(() => {
      if (tick()) end();
    }, everyMs);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
