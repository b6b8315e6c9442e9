import type { RuleState } from "./judge.js";
import type { Transition } from "./transition.js";

/** A (rule, device) pair that is not just idle, as it is stored: `_id` is `{tenant}/{rule}/{device}`. */
export interface WatchDocument {
  readonly _id: string;
  readonly tenantId: string;
  readonly ruleId: string;
  readonly deviceId: string;
  readonly deviceType: string;
  readonly site?: string;
  /** See `Rule.basis`. */
  readonly basis: string;
  readonly state: RuleState;
  /** What the event store has not accepted yet. Stored with the state that it led to, so that neither is without the other. */
  readonly owed: readonly Transition[];
  /** The frame that the state includes, with all before it: delivered again, they say nothing new. */
  readonly sequence: number;
  /** Which stream that number counts in: one that was made anew begins at 1 again. */
  readonly stream: string;
}

/** The same in memory, while it is watched. */
export interface Watch {
  readonly id: string;
  readonly tenantId: string;
  readonly ruleId: string;
  readonly deviceId: string;
  deviceType: string;
  site: string | undefined;
  basis: string;
  state: RuleState;
  owed: readonly Transition[];
  /** Frames up to here are part of `state`. */
  includes: number;
  /** There is a document of it. */
  stored: boolean;
}

/** Nothing to remember: as good as never seen. */
export function isBlank({ state, owed }: Watch): boolean {
  return state.phase === "idle" && state.quietUntil === undefined && owed.length === 0;
}

export function watchId(tenantId: string, ruleId: string, deviceId: string): string {
  return `${tenantId}/${ruleId}/${deviceId}`;
}

export function toDocument(watch: Watch, sequence: number, stream: string): WatchDocument {
  const { id, tenantId, ruleId, deviceId, deviceType, site, basis, state, owed } = watch;
  const document = { _id: id, tenantId, ruleId, deviceId, deviceType, basis, state, owed, sequence, stream };
  return site === undefined ? document : { ...document, site };
}

export function fromDocument(document: WatchDocument, stream: string): Watch {
  const { _id: id, tenantId, ruleId, deviceId, deviceType, site, basis, state, owed } = document;
  const includes = document.stream === stream ? document.sequence : 0;
  return { id, tenantId, ruleId, deviceId, deviceType, site, basis, state, owed, includes, stored: true };
}
