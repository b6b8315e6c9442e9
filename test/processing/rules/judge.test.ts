import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Condition } from "../../../src/domain/alert-rule/index.js";
import { judge } from "../../../src/processing/rules/judge.js";
import type { Judgement, RuleState, Sample, Verdict } from "../../../src/processing/rules/judge.js";

const above90: Condition = { metric: "temperature", operator: "GT", threshold: 90, forSeconds: 0 };
const never: RuleState = { phase: "idle", lastAt: Number.NEGATIVE_INFINITY };

/** Readings as [seconds, value], with "maintenance" where the device is in it. */
type Step = readonly [at: number, value: number, maintenance?: "maintenance"];

function run(rule: Judgement, steps: readonly Step[], from: RuleState = never): { state: RuleState; said: string[] } {
  let state = from;
  const said: string[] = [];
  for (const [at, value, maintenance] of steps) {
    const outcome = judge(rule, state, { at: at * 1_000, value, maintenance: maintenance !== undefined });
    state = outcome.state;
    said.push(words(outcome.verdict));
  }
  return { state, said: said.filter((word) => word !== "") };
}

function words(verdict: Verdict): string {
  switch (verdict.kind) {
    case "unchanged":
      return "";
    case "late":
      return "late";
    case "raise":
    case "resolve":
      return `${verdict.kind} @${verdict.at / 1_000} since ${verdict.since / 1_000}`;
  }
}

function rule(condition: Partial<Condition> = {}, cooldownSeconds = 0): Judgement {
  return { condition: { ...above90, ...condition }, cooldownSeconds };
}

describe("a rule watches a device", () => {
  const table: readonly { name: string; rule: Judgement; given: readonly Step[]; expected: readonly string[] }[] = [
    {
      name: "the first reading beyond the threshold raises, the first one back resolves",
      rule: rule(),
      given: [
        [1, 80],
        [2, 91],
        [3, 95],
        [4, 90],
        [5, 85],
      ],
      expected: ["raise @2 since 2", "resolve @4 since 2"],
    },
    {
      name: "a condition must hold for its time, without a break",
      rule: rule({ forSeconds: 10 }),
      given: [
        [1, 91],
        [9, 91],
        [10, 90],
        [11, 91],
        [20, 91],
        [21, 91],
      ],
      expected: ["raise @21 since 11"],
    },
    {
      name: "an alert clears only beyond the clear threshold",
      rule: rule({ clearThreshold: 85 }),
      given: [
        [1, 91],
        [2, 89],
        [3, 91],
        [4, 86],
        [5, 85],
      ],
      expected: ["raise @1 since 1", "resolve @5 since 1"],
    },
    {
      name: "within the cool-down nothing is raised, and what still holds after it is",
      rule: rule({}, 10),
      given: [
        [1, 91],
        [2, 80],
        [3, 91],
        [4, 80],
        [8, 91],
        [10, 91],
        [11, 91],
      ],
      expected: ["raise @1 since 1", "resolve @2 since 1", "raise @11 since 8"],
    },
    {
      name: "what is not newer comes too late",
      rule: rule(),
      given: [
        [5, 80],
        [4, 99],
        [5, 99],
        [6, 91],
        [3, 10],
      ],
      expected: ["late", "late", "raise @6 since 6", "late"],
    },
    {
      name: "in maintenance nothing is raised and waiting begins again",
      rule: rule({ forSeconds: 2 }),
      given: [
        [1, 91],
        [2, 91, "maintenance"],
        [3, 91],
        [4, 91],
        [5, 91],
      ],
      expected: ["raise @5 since 3"],
    },
    {
      name: "in maintenance an alert stays until it clears",
      rule: rule(),
      given: [
        [1, 91],
        [2, 91, "maintenance"],
        [3, 80, "maintenance"],
      ],
      expected: ["raise @1 since 1", "resolve @3 since 1"],
    },
    {
      name: "GTE includes the threshold",
      rule: rule({ operator: "GTE" }),
      given: [
        [1, 90],
        [2, 89.9],
      ],
      expected: ["raise @1 since 1", "resolve @2 since 1"],
    },
    {
      name: "LT looks down",
      rule: rule({ operator: "LT", threshold: 5, clearThreshold: 7 }),
      given: [
        [1, 5],
        [2, 4.9],
        [3, 6.9],
        [4, 7],
      ],
      expected: ["raise @2 since 2", "resolve @4 since 2"],
    },
    {
      name: "LTE includes the threshold",
      rule: rule({ operator: "LTE", threshold: 5 }),
      given: [
        [1, 5],
        [2, 5.1],
      ],
      expected: ["raise @1 since 1", "resolve @2 since 1"],
    },
  ];
  test.each(table)("$name", ({ rule, given, expected }) => {
    expect(run(rule, given).said).toEqual(expected);
  });
});

function fold(rule: Judgement, all: readonly Sample[], from: RuleState): { state: RuleState; verdicts: Verdict[] } {
  const verdicts: Verdict[] = [];
  let state = from;
  for (const sample of all) {
    const outcome = judge(rule, state, sample);
    state = outcome.state;
    if (outcome.verdict.kind === "raise" || outcome.verdict.kind === "resolve") verdicts.push(outcome.verdict);
  }
  return { state, verdicts };
}

describe("whatever the readings", () => {
  const rules = fc.record({
    condition: fc.record({
      metric: fc.constant("temperature"),
      operator: fc.constant("GT" as const),
      threshold: fc.constant(50),
      clearThreshold: fc.integer({ min: 30, max: 50 }),
      forSeconds: fc.integer({ min: 0, max: 5 }),
    }),
    cooldownSeconds: fc.integer({ min: 0, max: 20 }),
  });
  const samples = fc.array(
    fc.record({
      at: fc.integer({ min: 0, max: 60_000 }),
      value: fc.integer({ min: 0, max: 100 }),
      maintenance: fc.boolean(),
    }),
    { maxLength: 80 },
  );

  test("raise and resolve alternate, time moves on, and no alert is raised within the cool-down of the last", () => {
    fc.assert(
      fc.property(rules, samples, (rule, all) => {
        let raisedAt = Number.NEGATIVE_INFINITY;
        let lastAt = Number.NEGATIVE_INFINITY;
        for (const [n, verdict] of fold(rule, all, never).verdicts.entries()) {
          if (verdict.kind !== "raise" && verdict.kind !== "resolve") throw new Error("not reached");
          expect(verdict.kind).toBe(n % 2 === 0 ? "raise" : "resolve");
          expect(verdict.at).toBeGreaterThan(lastAt);
          lastAt = verdict.at;
          if (verdict.kind === "resolve") continue;
          expect(verdict.at - verdict.since).toBeGreaterThanOrEqual(rule.condition.forSeconds * 1_000);
          expect(verdict.at - raisedAt).toBeGreaterThanOrEqual(rule.cooldownSeconds * 1_000);
          raisedAt = verdict.at;
        }
      }),
    );
  });

  test("a state that was stored and read back goes on as if nothing had been", () => {
    fc.assert(
      fc.property(rules, samples, fc.nat(80), (rule, all, cut) => {
        const whole = fold(rule, all, never);
        const first = fold(rule, all.slice(0, cut), never);
        // JSON has no infinity: the state before any reading is never stored.
        const restored = cut === 0 || all.length === 0 ? never : (JSON.parse(JSON.stringify(first.state)) as RuleState);
        const second = fold(rule, all.slice(cut), restored);
        expect([...first.verdicts, ...second.verdicts]).toEqual(whole.verdicts);
        expect(second.state).toEqual(whole.state);
      }),
    );
  });
});
