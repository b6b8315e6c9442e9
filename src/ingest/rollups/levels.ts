/** The three sizes of rolled-up telemetry. Windows begin at whole minutes, hours and days of UTC. */
import type { Resolution } from "../../domain/tenant/index.js";

export type Level = Exclude<Resolution, "RAW">;

export interface LevelShape {
  readonly measurement: string;
  readonly ms: number;
}

export const levels: Readonly<Record<Level, LevelShape>> = {
  MINUTE: { measurement: "sensor_data_minute", ms: 60_000 },
  HOUR: { measurement: "sensor_data_hourly", ms: 3_600_000 },
  DAY: { measurement: "sensor_data_daily", ms: 86_400_000 },
};

export function floorTo(level: Level, time: number): number {
  const { ms } = levels[level];
  return Math.floor(time / ms) * ms;
}

export function ceilTo(level: Level, time: number): number {
  const { ms } = levels[level];
  return Math.ceil(time / ms) * ms;
}
