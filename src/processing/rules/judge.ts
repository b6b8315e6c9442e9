/**
 * One rule watching one device, as a state machine over the device's own time. Pure: the same readings give the same
 * alerts, on any machine and after any restart, however long they were under way.
 *
 *   idle ──holds──▶ pending ──has held for forSeconds, cool-down over──▶ active ──clears──▶ idle (quiet for a while)
 */
import { never } from "../../domain/decider.js";
import type { Condition } from "../../domain/alert-rule/index.js";

/** All times are device time, ms since the epoch. */
interface Judged {
  /** Of the newest reading that was judged: what is not newer comes too late to say anything about now. */
  readonly lastAt: number;
}

export interface Idle extends Judged {
  readonly phase: "idle";
  /** The cool-down of the last alert: none is raised before. */
  readonly quietUntil?: number;
}

/** The condition holds, but not for long enough yet, or the cool-down lasts. */
export interface Pending extends Judged {
  readonly phase: "pending";
  readonly since: number;
  readonly quietUntil?: number;
}

export interface Active extends Judged {
  readonly phase: "active";
  /** When the condition began to hold: what makes the episode, and so its alert's id, one. */
  readonly since: number;
  readonly raisedAt: number;
}

export type RuleState = Idle | Pending | Active;

export interface Sample {
  readonly at: number;
  readonly value: number;
  /** The device is being worked on: nothing is raised, what is pending begins again, what is active may clear. */
  readonly maintenance: boolean;
}

export interface Judgement {
  readonly condition: Condition;
  readonly cooldownSeconds: number;
}

export type Verdict =
  | { readonly kind: "unchanged" | "late" }
  | { readonly kind: "raise" | "resolve"; readonly since: number; readonly at: number; readonly value: number };

const UNCHANGED: Verdict = { kind: "unchanged" };
const LATE: Verdict = { kind: "late" };

export function judge(
  rule: Judgement,
  state: RuleState,
  sample: Sample,
): { readonly state: RuleState; readonly verdict: Verdict } {
  const { at, value } = sample;
  if (at <= state.lastAt) return { state, verdict: LATE };
  switch (state.phase) {
    case "idle":
    case "pending": {
      const quietUntil = state.quietUntil !== undefined && at < state.quietUntil ? state.quietUntil : undefined;
      const quiet = quietUntil === undefined ? {} : { quietUntil };
      if (sample.maintenance || !holds(rule.condition, value)) {
        return { state: { phase: "idle", lastAt: at, ...quiet }, verdict: UNCHANGED };
      }
      const since = state.phase === "pending" ? state.since : at;
      if (quietUntil === undefined && at - since >= rule.condition.forSeconds * 1_000) {
        return {
          state: { phase: "active", lastAt: at, since, raisedAt: at },
          verdict: { kind: "raise", since, at, value },
        };
      }
      return { state: { phase: "pending", lastAt: at, since, ...quiet }, verdict: UNCHANGED };
    }
    case "active": {
      if (!clears(rule.condition, value)) return { state: { ...state, lastAt: at }, verdict: UNCHANGED };
      const quietUntil = state.raisedAt + rule.cooldownSeconds * 1_000;
      return {
        state: quietUntil > at ? { phase: "idle", lastAt: at, quietUntil } : { phase: "idle", lastAt: at },
        verdict: { kind: "resolve", since: state.since, at, value },
      };
    }
    default:
      return never(state);
  }
}

export function holds({ operator, threshold }: Condition, value: number): boolean {
  return beyond(operator, threshold, value);
}

/** Back beyond the clear threshold, which is the threshold itself where the rule has no hysteresis. */
function clears({ operator, threshold, clearThreshold = threshold }: Condition, value: number): boolean {
  return !beyond(operator, clearThreshold, value);
}

function beyond(operator: Condition["operator"], threshold: number, value: number): boolean {
  switch (operator) {
    case "GT":
      return value > threshold;
    case "GTE":
      return value >= threshold;
    case "LT":
      return value < threshold;
    case "LTE":
      return value <= threshold;
    default:
      return never(operator);
  }
}
