import type { Marks } from "../rollups/marks.js";

export interface Sweeper {
  /** Does what is due of the work, at most a bounded step; quick when nothing is. */
  sweep(marks: Marks, signal: AbortSignal): Promise<void>;
}
