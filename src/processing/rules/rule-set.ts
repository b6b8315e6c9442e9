import type { AlertRuleDocument } from "../../projections/index.js";
import { compileRule } from "./rule.js";
import type { Rule } from "./rule.js";

/** The rules in force, by what is known of a reading: its tenant, then its metrics. */
export class RuleSet {
  readonly #byTenant = new Map<string, Map<string, readonly Rule[]>>();
  readonly #byId = new Map<string, Rule>();
  /** The revisions of all rules heard of, disabled ones too: what is older than what was heard says nothing. */
  readonly #revisions = new Map<string, number>();

  get size(): number {
    return this.#byId.size;
  }

  /** Undefined for most tenants and most readings: nothing else is asked then. */
  metricsOf(tenantId: string): ReadonlyMap<string, readonly Rule[]> | undefined {
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
    const metrics = this.#byTenant.get(rule.tenantId) ?? new Map<string, readonly Rule[]>();
    this.#byTenant.set(rule.tenantId, metrics);
    metrics.set(rule.condition.metric, [...(metrics.get(rule.condition.metric) ?? []), rule]);
  }

  #unlink(ruleId: string): void {
    const rule = this.#byId.get(ruleId);
    if (rule === undefined) return;
    this.#byId.delete(ruleId);
    const metrics = this.#byTenant.get(rule.tenantId);
    if (metrics === undefined) return;
    const others = (metrics.get(rule.condition.metric) ?? []).filter((other) => other.ruleId !== ruleId);
    if (others.length > 0) metrics.set(rule.condition.metric, others);
    else metrics.delete(rule.condition.metric);
    if (metrics.size === 0) this.#byTenant.delete(rule.tenantId);
  }
}
