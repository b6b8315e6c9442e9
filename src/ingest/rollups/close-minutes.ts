import type { DeviceSpan, RollupStore, Span } from "./compute.js";
import { levels } from "./levels.js";
import type { OpenWindows } from "./open-windows.js";
import type { RollupPoint } from "./point.js";

/** From what passed by where that is sure, else from InfluxDB. Gives the points written. */
export async function closeMinutes(
  store: RollupStore,
  windows: OpenWindows,
  { from, to }: Span,
  signal: AbortSignal,
): Promise<number> {
  const points: RollupPoint[] = [];
  const unsure: DeviceSpan[] = [];
  /** Where the minutes begin that have to be asked for. */
  let asked = to;
  let written = 0;
  for (let minute = from; minute < to; minute += levels.MINUTE.ms) {
    const window = windows.take(minute);
    if (window === undefined) {
      asked = Math.min(asked, minute);
      continue;
    }
    if (asked < minute) written += await store.roll("MINUTE", { from: asked, to: minute }, signal);
    asked = to;
    points.push(...window.points);
    unsure.push(...window.unsure);
  }
  if (asked < to) written += await store.roll("MINUTE", { from: asked, to }, signal);
  written += await store.write("MINUTE", points);
  return written + (await store.correct("MINUTE", unsure, signal));
}
