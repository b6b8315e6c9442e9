import type { Reading } from "../../ingest/index.js";
import type { AlertRuleDocument } from "../../projections/index.js";
import type { RuleState, Sample } from "./judge.js";
import { holds, judge } from "./judge.js";
import { LastTimes } from "./last-times.js";
import type { Rule } from "./rule.js";
import { RuleSet } from "./rule-set.js";
import { episodeId, raise, resolve } from "./transition.js";
import type { Transition } from "./transition.js";
import { fromDocument, isBlank, toDocument, watchId } from "./watch.js";
import type { Watch, WatchDocument } from "./watch.js";

export interface EvaluationOptions {
  /** Told of each transition at once; it stays owed until `settled` is called with it. */
  readonly onTransition: (transition: Transition) => void;
  readonly clock?: () => number;
  /** How many (device, metric) pairs with nothing pending have their newest time remembered. */
  readonly rememberedTimes?: number;
}

export interface Counts {
  /** Judgements: one for each rule that a reading concerns. */
  readonly evaluated: number;
  readonly late: number;
}

/** A moment of the evaluation, ready to be stored. */
export interface Snapshot {
  readonly documents: readonly WatchDocument[];
  /** Stored: what it holds need not be written again. */
  written(): void;
  /** Not stored: it will be part of the next one. */
  failed(): void;
}

const REMEMBERED_TIMES = 500_000;

/**
 * All rules over all readings: which state machine a reading moves, and what of it must be remembered. No I/O.
 * Memory is kept for pairs of rule and device where something is pending, active or cooling down, and for no other.
 */
export class Evaluation {
  readonly rules = new RuleSet();
  readonly #onTransition: EvaluationOptions["onTransition"];
  readonly #clock: () => number;
  readonly #lastTimes: LastTimes;
  /** rule → device → watch. */
  readonly #watches = new Map<string, Map<string, Watch>>();
  readonly #owedBy = new Map<Transition, Watch>();
  readonly #dirty = new Set<Watch>();
  /** Blank ones whose documents wait to be deleted, with the frame that these include and when they were written. */
  readonly #tombstones = new Map<Watch, { readonly sequence: number; readonly at: number }>();
  #sequence = 0;
  #stream = "";
  #evaluated = 0;
  #late = 0;

  constructor({ onTransition, clock = Date.now, rememberedTimes = REMEMBERED_TIMES }: EvaluationOptions) {
    this.#onTransition = onTransition;
    this.#clock = clock;
    this.#lastTimes = new LastTimes(rememberedTimes);
  }

  /** Transitions that are not accepted yet. */
  get owed(): number {
    return this.#owedBy.size;
  }

  get dirty(): number {
    return this.#dirty.size;
  }

  get watched(): number {
    let count = 0;
    for (const devices of this.#watches.values()) count += devices.size;
    return count;
  }

  /** Since the last time it was asked. */
  takeCounts(): Counts {
    const counts = { evaluated: this.#evaluated, late: this.#late };
    this.#evaluated = 0;
    this.#late = 0;
    return counts;
  }

  /** The stream that sequences count in from now on. Gives the last frame of it that was evaluated; 0 for one that is new, of which nothing is known. */
  follow(stream: string): number {
    if (this.#stream === stream) return this.#sequence;
    if (this.#stream !== "") {
      for (const devices of this.#watches.values()) for (const watch of devices.values()) watch.includes = 0;
      for (const [watch, { at }] of this.#tombstones) this.#tombstones.set(watch, { sequence: 0, at });
    }
    this.#stream = stream;
    this.#sequence = 0;
    return 0;
  }

  /** Before the first frame. What it still owes is told of again. */
  restore(document: WatchDocument): void {
    const watch = fromDocument(document, this.#stream);
    this.#keep(watch);
    if (isBlank(watch)) this.#tombstones.set(watch, { sequence: watch.includes, at: this.#clock() });
    for (const transition of watch.owed) {
      this.#owedBy.set(transition, watch);
      this.#onTransition(transition);
    }
  }

  /** The rule as it stands now. Alerts that it would judge otherwise than before are resolved. */
  putRule(document: AlertRuleDocument): void {
    const { changed, rule } = this.rules.put(document);
    if (changed) this.#revise(document.ruleId, rule);
  }

  /** All rules that are in force; those known and not among them are out of force. `keep`: heard of since the list was asked for. */
  replaceRules(documents: readonly AlertRuleDocument[], keep: ReadonlySet<string>): void {
    for (const document of documents) this.putRule(document);
    const listed = new Set<string>(documents.map(({ ruleId }) => ruleId));
    for (const ruleId of new Set([...this.rules.heardOf(), ...this.#watches.keys()])) {
      if (listed.has(ruleId) || keep.has(ruleId)) continue;
      this.rules.remove(ruleId);
      this.#revise(ruleId, undefined);
    }
    // A rule that changed while we were away is not news to the list, but is to the states that were restored.
    for (const ruleId of listed) this.#revise(ruleId, this.rules.find(ruleId));
  }

  evaluate(sequence: number, readings: readonly Reading[]): void {
    this.#sequence = sequence;
    for (const reading of readings) {
      const metrics = this.rules.metricsOf(reading.tenantId);
      if (metrics === undefined) continue;
      for (const [metric, value] of Object.entries(reading.values)) {
        const rules = metrics.get(metric);
        if (rules === undefined || typeof value !== "number") continue;
        this.#judgeAll(rules, reading, { at: reading.timestamp, value, maintenance: reading.maintenance === true });
      }
    }
  }

  settled(transition: Transition): void {
    const watch = this.#owedBy.get(transition);
    if (watch === undefined) return;
    this.#owedBy.delete(transition);
    watch.owed = watch.owed.filter((other) => other !== transition);
    this.#touch(watch);
  }

  /** What has changed since the last one, up to the last frame evaluated. One at a time. */
  takeSnapshot(): Snapshot {
    const taken = [...this.#dirty];
    this.#dirty.clear();
    const sequence = this.#sequence;
    const stored: Watch[] = [];
    const documents: WatchDocument[] = [];
    for (const watch of taken) {
      if (isBlank(watch) && !watch.stored) {
        this.#forget(watch);
        continue;
      }
      stored.push(watch);
      documents.push(toDocument(watch, Math.max(sequence, watch.includes), this.#stream));
      // As stored with it: one that becomes blank keeps its document for a while, see `takeExpired`.
      if (isBlank(watch)) this.#tombstones.set(watch, { sequence, at: this.#clock() });
      else this.#tombstones.delete(watch);
    }
    return {
      documents,
      written: () => {
        for (const watch of stored) watch.stored = true;
      },
      failed: () => {
        for (const watch of stored) this.#touch(watch);
      },
    };
  }

  /**
   * The documents that nothing depends on any more. One that has become blank must outlive the frames that made it so:
   * were these delivered again, they would be judged from the beginning and open an episode that never was.
   */
  takeExpired(acknowledged: number, olderThanMs: number, limit: number): readonly string[] {
    const expired: string[] = [];
    const before = this.#clock() - olderThanMs;
    for (const [watch, { sequence, at }] of this.#tombstones) {
      if (expired.length >= limit) break;
      if (sequence > acknowledged || at > before || this.#dirty.has(watch) || !isBlank(watch)) continue;
      this.#tombstones.delete(watch);
      watch.stored = false;
      this.#forget(watch);
      expired.push(watch.id);
    }
    return expired;
  }

  #judgeAll(rules: readonly Rule[], reading: Reading, sample: Sample): void {
    const { tenantId, deviceId } = reading;
    const last = this.#lastTimes.note(`${tenantId}/${deviceId}/${rules[0]?.condition.metric ?? ""}`, sample.at);
    const late = last !== undefined && sample.at <= last;
    if (late) this.#late += 1;
    for (const rule of rules) {
      const watch = this.#watches.get(rule.ruleId)?.get(deviceId);
      if (watch !== undefined && this.#sequence <= watch.includes) continue;
      if (!rule.watches(reading)) {
        // The device has moved out of the filter.
        if (watch !== undefined) this.#reset(watch);
        continue;
      }
      this.#evaluated += 1;
      if (watch !== undefined) {
        watch.deviceType = reading.deviceType;
        watch.site = reading.site;
        this.#move(rule, watch, sample);
      } else if (!late && !sample.maintenance && holds(rule.condition, sample.value)) {
        this.#move(rule, this.#begin(rule, reading, last), sample);
      }
    }
  }

  #begin(rule: Rule, reading: Reading, last: number | undefined): Watch {
    const { tenantId, deviceId, deviceType, site } = reading;
    const { ruleId, basis } = rule;
    const state: RuleState = { phase: "idle", lastAt: last ?? Number.NEGATIVE_INFINITY };
    const id = watchId(tenantId, ruleId, deviceId);
    const watch: Watch = {
      id,
      tenantId,
      ruleId,
      deviceId,
      deviceType,
      site,
      basis,
      state,
      owed: [],
      includes: 0,
      stored: false,
    };
    this.#keep(watch);
    return watch;
  }

  #move(rule: Rule, watch: Watch, sample: Sample): void {
    const { state, verdict } = judge(rule, watch.state, sample);
    if (state === watch.state) return;
    watch.state = state;
    this.#touch(watch);
    const now = new Date(this.#clock());
    switch (verdict.kind) {
      case "unchanged":
      case "late":
        return;
      case "raise":
        return this.#owe(watch, raise(rule, { deviceId: watch.deviceId, ...verdict }, now));
      case "resolve": {
        const { tenantId, ruleId, deviceId } = watch;
        const { at, value, since } = verdict;
        const alert = episodeId(tenantId, ruleId, deviceId, since);
        return this.#owe(watch, resolve(tenantId, alert, { cause: "condition-cleared", at, value }, now));
      }
    }
  }

  /** After a change of the rule: what it no longer watches, or would judge by other measures, begins again. */
  #revise(ruleId: string, rule: Rule | undefined): void {
    for (const watch of this.#watches.get(ruleId)?.values() ?? []) {
      if (rule !== undefined && rule.basis === watch.basis && rule.watches(asWatched(watch))) continue;
      if (rule !== undefined) watch.basis = rule.basis;
      this.#reset(watch);
    }
  }

  #reset(watch: Watch): void {
    const { tenantId, ruleId, deviceId, state } = watch;
    if (state.phase === "idle" && state.quietUntil === undefined) return;
    watch.state = { phase: "idle", lastAt: state.lastAt };
    this.#touch(watch);
    if (state.phase !== "active") return;
    const now = this.#clock();
    const alert = episodeId(tenantId, ruleId, deviceId, state.since);
    this.#owe(watch, resolve(tenantId, alert, { cause: "rule-changed", at: now }, new Date(now)));
  }

  #owe(watch: Watch, transition: Transition): void {
    watch.owed = [...watch.owed, transition];
    this.#owedBy.set(transition, watch);
    this.#onTransition(transition);
  }

  #touch(watch: Watch): void {
    this.#dirty.add(watch);
  }

  #keep(watch: Watch): void {
    const devices = this.#watches.get(watch.ruleId) ?? new Map<string, Watch>();
    this.#watches.set(watch.ruleId, devices);
    devices.set(watch.deviceId, watch);
  }

  #forget(watch: Watch): void {
    const devices = this.#watches.get(watch.ruleId);
    devices?.delete(watch.deviceId);
    if (devices?.size === 0) this.#watches.delete(watch.ruleId);
  }
}

function asWatched({ deviceId, deviceType, site }: Watch): Parameters<Rule["watches"]>[0] {
  return site === undefined ? { deviceId, deviceType } : { deviceId, deviceType, site };
}
