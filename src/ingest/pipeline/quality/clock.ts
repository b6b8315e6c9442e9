/** What a reading's time tells of the device's clock: ahead, behind, or right and the reading only late. */
import { BoundedMap } from "../../../platform/bounded-map.js";
import type { Reading } from "../../reading.js";
import type { QualityFlag } from "./flags.js";

/** Ahead of us by more: its clock is. (By more than five minutes, and the reading is refused.) */
export const AHEAD_MS = 30_000;
/** Behind us by more: it was kept back somewhere, or the device's clock is behind. */
export const LATE_MS = 5 * 60_000;
/** A lag that stays the same within this … */
const STEADY_MS = 5_000;
/** … for so long is no backlog that is being sent: it is the clock. */
const STEADY_FOR_MS = 10_000;
/** Devices that are behind, at one time; the longest silent one is forgotten first, and said to be late once more. */
const MAX_BEHIND = 50_000;

export type ClockFlag = Extract<QualityFlag, "clock-skew" | "late">;

export function createClockCheck(): (reading: Reading) => ClockFlag | undefined {
  const behind = new BoundedMap<string, { readonly lag: number; readonly since: number }>(MAX_BEHIND);
  return ({ tenantId, deviceId, timestamp, receivedAt }) => {
    const lag = receivedAt - timestamp;
    if (lag <= LATE_MS) return lag < -AHEAD_MS ? "clock-skew" : undefined;
    const key = `${tenantId}/${deviceId}`;
    const before = behind.get(key);
    if (before === undefined || Math.abs(lag - before.lag) > STEADY_MS) {
      behind.set(key, { lag, since: receivedAt });
      return "late";
    }
    return receivedAt - before.since >= STEADY_FOR_MS ? "clock-skew" : "late";
  };
}
