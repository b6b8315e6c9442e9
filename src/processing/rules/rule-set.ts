import { fieldOf } from "../../ingest/index.js";
import type { AlertRuleDocument } from "../../projections/index.js";
import { compileRule } from "./rule.js";
import type { Rule } from "./rule.js";

/** A metric that rules watch, and the field of a line that holds its numbers. */
export interface WatchedMetric {
  readonly metric: string;
  readonly field: Buffer;
  readonly rules: readonly Rule[];
}

/** The watched metrics of one tenant, found by the bytes of a field's name. */
export class WatchedMetrics {
  readonly #byField = new Map<string, WatchedMetric>();
  #few: readonly WatchedMetric[] = [];

  get size(): number {
    return this.#byField.size;
  }

  find(bytes: Buffer, from: number, to: number): WatchedMetric | undefined {
    if (this.#byField.size > FEW) return this.#byField.get(bytes.toString("latin1", from, to));
    for (const watched of this.#few) if (isAt(watched.field, bytes, from, to)) return watched;
    return undefined;
  }

  change(metric: string, change: (rules: readonly Rule[]) => readonly Rule[]): void {
    const name = fieldOf(metric, "number");
    const rules = change(this.#byField.get(name)?.rules ?? []);
    if (rules.length > 0) this.#byField.set(name, { metric, field: Buffer.from(name), rules });
    else this.#byField.delete(name);
    this.#few = this.#byField.size > FEW ? [] : [...this.#byField.values()];
  }
}

/** Up to so many are quicker compared byte by byte than made a string of and looked up. */
const FEW = 8;

function isAt(field: Buffer, bytes: Buffer, from: number, to: number): boolean {
  if (to - from !== field.length) return false;
  for (let index = 0; index < field.length; index += 1) if (field[index] !== bytes[from + index]) return false;
  return true;
}

/** The rules in force, by what is known of a reading: its tenant, then its metrics. */
export class RuleSet {
  readonly #byTenant = new Map<string, WatchedMetrics>();
  readonly #byId = new Map<string, Rule>();
  /** The revisions of all rules heard of, disabled ones too: what is older than what was heard says nothing. */
  readonly #revisions = new Map<string, number>();

  get size(): number {
    return this.#byId.size;
  }

  /** Undefined for most tenants and most readings: nothing else is asked then. */
  metricsOf(tenantId: string): WatchedMetrics | undefined {
    return this.#byTenant.get(tenantId);
  }

  find(ruleId: string): Rule | undefined {
    return this.#byId.get(ruleId);
  }

  /** Disabled ones too. */
  heardOf(): readonly string[] {
    return [...this.#revisions.keys()];
  }

  /** Takes the document's word if it is news: the rule as it is in force now, or undefined once it is not. `changed` is false for old news. */
  put(document: AlertRuleDocument): { readonly changed: boolean; readonly rule: Rule | undefined } {
    const { ruleId, revision, enabled } = document;
    const known = this.#revisions.get(ruleId);
    if (known !== undefined && revision <= known) return { changed: false, rule: this.#byId.get(ruleId) };
    this.#revisions.set(ruleId, revision);
    this.#unlink(ruleId);
    if (!enabled) return { changed: true, rule: undefined };
    const rule = compileRule(document);
    this.#link(rule);
    return { changed: true, rule };
  }

  /** For a rule that a full list no longer has. */
  remove(ruleId: string): void {
    this.#revisions.delete(ruleId);
    this.#unlink(ruleId);
  }

  #link(rule: Rule): void {
    this.#byId.set(rule.ruleId, rule);
    const metrics = this.#byTenant.get(rule.tenantId) ?? new WatchedMetrics();
    this.#byTenant.set(rule.tenantId, metrics);
    metrics.change(rule.condition.metric, (rules) => [...rules, rule]);
  }

  #unlink(ruleId: string): void {
    const rule = this.#byId.get(ruleId);
    if (rule === undefined) return;
    this.#byId.delete(ruleId);
    const metrics = this.#byTenant.get(rule.tenantId);
    if (metrics === undefined) return;
    metrics.change(rule.condition.metric, (rules) => rules.filter((other) => other.ruleId !== ruleId));
    if (metrics.size === 0) this.#byTenant.delete(rule.tenantId);
  }
}
