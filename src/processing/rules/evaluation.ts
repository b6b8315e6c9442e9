import type { Reading } from "../../ingest/index.js";
import type { AlertRuleDocument } from "../../projections/index.js";
import type { RuleState, Sample } from "./judge.js";
import { holds, judge } from "./judge.js";
import { LastTimes } from "./last-times.js";
import type { Rule } from "./rule.js";
import { RuleSet } from "./rule-set.js";
import { episodeId, raise, resolve } from "./transition.js";
import type { Transition } from "./transition.js";
import { watchId } from "./watch.js";
import type { Watch, WatchDocument } from "./watch.js";
import { Watches } from "./watches.js";

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

const REMEMBERED_TIMES = 500_000;

/** All rules over all readings: which state machine a reading moves, and what comes of it. No I/O. */
export class Evaluation {
  readonly rules = new RuleSet();
  readonly watches: Watches;
  readonly #onTransition: EvaluationOptions["onTransition"];
  readonly #clock: () => number;
  readonly #lastTimes: LastTimes;
  #evaluated = 0;
  #late = 0;

  constructor({ onTransition, clock = Date.now, rememberedTimes = REMEMBERED_TIMES }: EvaluationOptions) {
    this.#onTransition = onTransition;
    this.#clock = clock;
    this.watches = new Watches(clock);
    this.#lastTimes = new LastTimes(rememberedTimes);
  }

  /** Since the last time it was asked. */
  takeCounts(): Counts {
    const counts = { evaluated: this.#evaluated, late: this.#late };
    this.#evaluated = 0;
    this.#late = 0;
    return counts;
  }

  /** Before the first frame. What it still owes is told of again. */
  restore(document: WatchDocument): void {
    for (const transition of this.watches.restore(document).owed) this.#onTransition(transition);
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
    for (const ruleId of new Set([...this.rules.heardOf(), ...this.watches.ruleIds()])) {
      if (listed.has(ruleId) || keep.has(ruleId)) continue;
      this.rules.remove(ruleId);
      this.#revise(ruleId, undefined);
    }
    // A rule that changed while we were away is not news to the list, but is to the states that were restored.
    for (const ruleId of listed) this.#revise(ruleId, this.rules.find(ruleId));
  }

  evaluate(sequence: number, readings: readonly Reading[]): void {
    this.watches.sequence = sequence;
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

  #judgeAll(rules: readonly Rule[], reading: Reading, sample: Sample): void {
    const { tenantId, deviceId } = reading;
    const last = this.#lastTimes.note(`${tenantId}/${deviceId}/${rules[0]?.condition.metric ?? ""}`, sample.at);
    const late = last !== undefined && sample.at <= last;
    if (late) this.#late += 1;
    for (const rule of rules) {
      const watch = this.watches.find(rule.ruleId, deviceId);
      if (watch !== undefined && this.watches.sequence <= watch.includes) continue;
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
    this.watches.keep(watch);
    return watch;
  }

  #move(rule: Rule, watch: Watch, sample: Sample): void {
    const { state, verdict } = judge(rule, watch.state, sample);
    if (state === watch.state) return;
    watch.state = state;
    this.watches.touch(watch);
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
    for (const watch of this.watches.ofRule(ruleId)) {
      if (rule !== undefined && rule.basis === watch.basis && rule.watches(asWatched(watch))) continue;
      if (rule !== undefined) watch.basis = rule.basis;
      this.#reset(watch);
    }
  }

  #reset(watch: Watch): void {
    const { tenantId, ruleId, deviceId, state } = watch;
    if (state.phase === "idle" && state.quietUntil === undefined) return;
    watch.state = { phase: "idle", lastAt: state.lastAt };
    this.watches.touch(watch);
    if (state.phase !== "active") return;
    const now = this.#clock();
    const alert = episodeId(tenantId, ruleId, deviceId, state.since);
    this.#owe(watch, resolve(tenantId, alert, { cause: "rule-changed", at: now }, new Date(now)));
  }

  #owe(watch: Watch, transition: Transition): void {
    this.watches.owe(watch, transition);
    this.#onTransition(transition);
  }
}

function asWatched({ deviceId, deviceType, site }: Watch): Parameters<Rule["watches"]>[0] {
  return site === undefined ? { deviceId, deviceType } : { deviceId, deviceType, site };
}
