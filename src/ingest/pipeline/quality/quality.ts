/**
 * The stage that doubts: it flags what is possible and yet not to be trusted blindly, and refuses nothing. A reading is
 * compared with what came before it in device time; one that comes behind a newer one is compared with nothing.
 */
import type { QualityChecks } from "../../../domain/device-type/index.js";
import type { DeviceAccess } from "../../registry/device-access.js";
import type { MetricValue, Reading } from "../../reading.js";
import { createChecks } from "./checks.js";
import type { Checks } from "./checks.js";
import { createClockCheck } from "./clock.js";
import { DeviceStates } from "./device-states.js";
import type { DeviceState, MetricState } from "./device-states.js";

/** The readings of one message, in their order, with their flags. The same array where there are none. */
export type Judge = (access: DeviceAccess, readings: readonly Reading[]) => readonly Reading[];

/** About 150 bytes each. */
const MAX_METRIC_STATES = 1_000_000;

export function createJudge(maxStates = MAX_METRIC_STATES): Judge {
  const checksOf = createChecks();
  const states = new DeviceStates(maxStates);
  const checkClock = createClockCheck();

  function judge(reading: Reading, checks: Checks | undefined): Reading {
    const clock = checkClock(reading);
    if (checks === undefined && clock === undefined) return reading;
    const { tenantId, deviceId, timestamp, values } = reading;
    const state = checks === undefined ? undefined : states.get(tenantId, deviceId);
    const isAfterGap = state !== undefined && checks !== undefined && afterGap(state, checks, timestamp);
    const ofAll = joined(isAfterGap ? "gap" : "", clock ?? "");
    let quality: Record<string, string> | undefined;
    let known = state;
    if (checks !== undefined && known === undefined) {
      known = { newest: timestamp, gapAt: Number.NaN, metrics: new Map() };
      states.add(tenantId, deviceId, known);
    }
    for (const metric of Object.keys(values)) {
      const value = values[metric];
      const asked = checks?.metrics.get(metric);
      if (value === undefined) continue;
      const own = asked === undefined || known === undefined ? "" : judgeMetric(known, metric, value, timestamp, asked);
      const flags = joined(own, ofAll);
      if (flags !== "") (quality ??= {})[metric] = flags;
    }
    if (known !== undefined && timestamp > known.newest) known.newest = timestamp;
    return quality === undefined ? reading : { ...reading, quality };
  }

  function judgeMetric(
    device: DeviceState,
    metric: string,
    value: MetricValue,
    at: number,
    checks: QualityChecks,
  ): string {
    const inRange = isInRange(value, checks);
    const state = device.metrics.get(metric);
    if (state === undefined) {
      const flags = inRange ? "" : "range";
      states.addMetric(device, metric, {
        at,
        value,
        flags,
        believedAt: at,
        believed: value,
        unchangedSince: at,
      });
      return flags;
    }
    if (at === state.at && value === state.value) return state.flags;
    if (at <= state.at) return inRange ? "" : "range";
    const isSpike = isTooFast(state, value, at, checks);
    // Nobody knows what a value did while nothing was heard.
    if (value !== state.value || device.gapAt === at) state.unchangedSince = at;
    const isStuck = checks.stuckAfter !== undefined && at - state.unchangedSince > checks.stuckAfter * 1_000;
    state.at = at;
    state.value = value;
    if (!isSpike) {
      state.believedAt = at;
      state.believed = value;
    }
    state.flags = joined(joined(inRange ? "" : "range", isSpike ? "spike" : ""), isStuck ? "stuck" : "");
    return state.flags;
  }

  return (access, readings) => {
    const checks = checksOf(access.type);
    let judged: Reading[] | undefined;
    for (let index = 0; index < readings.length; index += 1) {
      const reading = readings[index];
      if (reading === undefined) continue;
      const result = judge(reading, checks);
      if (result === reading) continue;
      judged ??= [...readings];
      judged[index] = result;
    }
    return judged ?? readings;
  };
}

/** Almost always of nothing and nothing: no list is made for it. */
function joined(first: string, second: string): string {
  if (second === "") return first;
  return first === "" ? second : `${first}|${second}`;
}

/** Of the first reading after a silence, and of the same once more. */
function afterGap(state: DeviceState, { gapAfterMs }: Checks, timestamp: number): boolean {
  if (gapAfterMs === undefined) return false;
  if (timestamp - state.newest > gapAfterMs) state.gapAt = timestamp;
  return timestamp === state.gapAt;
}

function isInRange(value: MetricValue, { expectedMin, expectedMax }: QualityChecks): boolean {
  if (typeof value !== "number") return true;
  return (expectedMin === undefined || value >= expectedMin) && (expectedMax === undefined || value <= expectedMax);
}

/** The longer ago the value that it is held against, the further it may have come: a level that has really changed is believed in time. */
function isTooFast(state: MetricState, value: MetricValue, at: number, { maxRate }: QualityChecks): boolean {
  if (maxRate === undefined || typeof value !== "number" || typeof state.believed !== "number") return false;
  return (Math.abs(value - state.believed) * 1_000) / (at - state.believedAt) > maxRate;
}
