import { FieldCursor } from "../../ingest/index.js";
import type { FrameGroup, FrameView } from "../../ingest/index.js";
import type { AlertRuleDocument } from "../../projections/index.js";
import type { RuleState, Sample } from "./judge.js";
import { holds, judge } from "./judge.js";
import { LastTimes } from "./last-times.js";
import type { DeviceTimes } from "./last-times.js";
import type { Rule, Watched } from "./rule.js";
import { RuleSet } from "./rule-set.js";
import type { WatchedMetric, WatchedMetrics } from "./rule-set.js";
import { episodeId, raise, resolve } from "./transition.js";
import type { Transition } from "./transition.js";
import { watchId } from "./watch.js";
import type { Watch, WatchDocument } from "./watch.js";
import { Watches } from "./watches.js";

export interface EvaluationOptions {
  /** Told of each transition at once; it stays owed until `settled` is called with it. */
  readonly onTransition: (transition: Transition) => void;
  readonly clock?: () => number;
  /** How many devices have the newest times of their watched metrics remembered. */
  readonly rememberedTimes?: number;
}

export interface Counts {
  /** Judgements: one for each rule that a reading concerns. */
  readonly evaluated: number;
  readonly late: number;
}

const REMEMBERED_TIMES = 200_000;

/** Of which the lines of a group are. */
type Device = Watched & { readonly maintenance: boolean };

/** All rules over all readings: which state machine a reading moves, and what comes of it. No I/O. */
export class Evaluation {
  readonly rules = new RuleSet();
  readonly watches: Watches;
  readonly #onTransition: EvaluationOptions["onTransition"];
  readonly #clock: () => number;
  readonly #lastTimes: LastTimes;
  readonly #cursor = new FieldCursor();
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

  evaluate(sequence: number, frame: FrameView): void {
    this.watches.sequence = sequence;
    for (const group of frame.groups()) {
      const metrics = this.rules.metricsOf(group.tenantId);
      if (metrics !== undefined) this.#evaluateGroup(metrics, frame, group);
    }
  }

  /** Looks into a line for what is watched, and decodes nothing else of it. */
  #evaluateGroup(metrics: WatchedMetrics, frame: FrameView, group: FrameGroup): void {
    const times = this.#lastTimes.of(group.key);
    const device = watchedDevice(group);
    const cursor = this.#cursor;
    const end = group.first + group.count;
    let { from } = group;
    for (let line = group.first; line < end; line += 1) {
      cursor.open(frame.bytes, from);
      do {
        const watched = metrics.find(frame.bytes, cursor.nameFrom, cursor.nameTo);
        if (watched !== undefined) {
          this.#judgeAll(watched, device, times, frame.timestampOf(line), cursor.number());
        }
      } while (cursor.next());
      from += frame.lengthOf(line);
    }
  }

  #judgeAll({ metric, rules }: WatchedMetric, device: Device, times: DeviceTimes, at: number, value: number): void {
    const last = times.note(metric, at);
    const late = last !== undefined && at <= last;
    if (late) this.#late += 1;
    const { maintenance } = device;
    for (const rule of rules) {
      const watch = this.watches.find(rule.ruleId, device.deviceId);
      if (watch !== undefined && this.watches.sequence <= watch.includes) continue;
      if (!rule.watches(device)) {
        // The device has moved out of the filter.
        if (watch !== undefined) this.#reset(watch);
        continue;
      }
      this.#evaluated += 1;
      if (watch !== undefined) {
        watch.deviceType = device.deviceType;
        watch.site = device.site;
        this.#move(rule, watch, { at, value, maintenance });
      } else if (!late && !maintenance && holds(rule.condition, value)) {
        this.#move(rule, this.#begin(rule, device, last), { at, value, maintenance });
      }
    }
  }

  #begin(rule: Rule, { deviceId, deviceType, site }: Device, last: number | undefined): Watch {
    const { tenantId, ruleId, basis } = rule;
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

function watchedDevice({ deviceId, deviceType, site, maintenance }: FrameGroup): Device {
  return site === undefined ? { deviceId, deviceType, maintenance } : { deviceId, deviceType, site, maintenance };
}

function asWatched({ deviceId, deviceType, site }: Watch): Parameters<Rule["watches"]>[0] {
  return site === undefined ? { deviceId, deviceType } : { deviceId, deviceType, site };
}
