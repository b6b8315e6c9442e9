/**
 * What retention has deleted, as marks by resolution and metric. A mark is stored before the deletion begins, so it also
 * says what may be half gone: no rollup is computed again from that.
 */
import type { Resolution } from "../../domain/tenant/index.js";

/** Ms by `RESOLUTION` for all metrics without a mark of their own, and by `RESOLUTION/metric`: what lies before is gone. */
export type Swept = Readonly<Record<string, number>>;

export function markOf(resolution: Resolution, metric?: string): string {
  return metric === undefined ? resolution : `${resolution}/${metric}`;
}

/** Ms: what lies before is deleted, or may be at any moment. 0 where nothing was ever. */
export function sweptBefore(swept: Swept, resolution: Resolution, metric: string): number {
  return swept[markOf(resolution, metric)] ?? swept[resolution] ?? 0;
}
