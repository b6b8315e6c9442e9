import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alertDecider } from "../../src/domain/alert/index.js";
import type { AlertCommand } from "../../src/domain/alert/index.js";
import { alertRuleDecider } from "../../src/domain/alert-rule/index.js";
import type { AlertRuleCommand, Condition, RuleDefinition } from "../../src/domain/alert-rule/index.js";
import type { Decider } from "../../src/domain/decider.js";
import { DomainError } from "../../src/domain/error.js";
import { alertId, deviceId, ruleId, tenantId } from "../../src/domain/ids.js";
import { fold } from "../support/decider-specification.js";
import { NOW } from "./clock.js";

const rule = { tenantId: tenantId("acme"), ruleId: ruleId("0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a") } as const;

const condition: fc.Arbitrary<Condition> = fc.record(
  {
    metric: fc.constantFrom("temperature", "time", "a b"),
    operator: fc.constantFrom("GT", "GTE", "LT", "LTE"),
    threshold: fc.double({ min: -10, max: 10 }),
    clearThreshold: fc.double(),
    forSeconds: fc.constantFrom(0, 60, -1, Number.NaN),
  },
  { requiredKeys: ["metric", "operator", "threshold", "forSeconds"] },
);
const definition: fc.Arbitrary<RuleDefinition> = fc.record({
  name: fc.constantFrom("Too hot", "Too cold", ""),
  filter: fc.constantFrom({}, { sites: ["hall-4"] }, { sites: [] }),
  condition,
  severity: fc.constantFrom("LOW", "HIGH"),
  cooldownSeconds: fc.constantFrom(0, 300, -1),
  notificationChannels: fc.constant([]),
});
const good: RuleDefinition = {
  name: "Too hot",
  filter: {},
  condition: { metric: "temperature", operator: "GT", threshold: 90, forSeconds: 0 },
  severity: "HIGH",
  cooldownSeconds: 0,
  notificationChannels: [],
};
const ruleCommand: fc.Arbitrary<AlertRuleCommand> = fc.oneof(
  definition.map((given): AlertRuleCommand => ({ type: "CreateAlertRule", at: NOW, data: { ...rule, ...given } })),
  fc
    .record(
      {
        changes: fc.oneof(
          definition,
          definition.map(({ severity, name }) => ({ severity, name })),
        ),
        expectedVersion: fc.nat({ max: 5 }),
      },
      { requiredKeys: ["changes"] },
    )
    .map((data): AlertRuleCommand => ({ type: "UpdateAlertRule", at: NOW, data })),
  fc.constantFrom<AlertRuleCommand>(
    { type: "EnableAlertRule", at: NOW, data: {} },
    { type: "DisableAlertRule", at: NOW, data: {} },
  ),
);
const ruleLife = fc
  .array(ruleCommand, { maxLength: 40 })
  .map((commands): readonly AlertRuleCommand[] => [
    { type: "CreateAlertRule", at: NOW, data: { ...rule, ...good } },
    ...commands,
  ]);

const alertCommand = fc.constantFrom<AlertCommand>(
  {
    type: "RaiseAlert",
    at: NOW,
    data: {
      ...rule,
      alertId: alertId("3f0c8a52-0d54-5b2c-8c3e-1f2a3b4c5d6e"),
      ruleVersion: 1,
      deviceId: deviceId("press-1"),
      severity: "HIGH",
      message: "hot",
      metric: "temperature",
      value: 92,
      threshold: 90,
      since: NOW,
      triggeredAt: NOW,
    },
  },
  { type: "AcknowledgeAlert", at: NOW, data: { by: "user:ada" } },
  { type: "ResolveAlert", at: NOW, data: { resolvedAt: NOW, cause: "condition-cleared" } },
);

/** What happens when the commands are given one after the other; a refused one changes nothing. */
function historyOf<State, Command, Event>(
  decider: Decider<State, Command, Event>,
  commands: readonly Command[],
): readonly Event[] {
  const history: Event[] = [];
  for (const command of commands) {
    try {
      history.push(...decider.decide(command, fold(decider, history)));
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
    }
  }
  return history;
}

describe("in any life of an alert rule", () => {
  it("its versions grow by one", () => {
    fc.assert(
      fc.property(ruleLife, (commands) => {
        const versions = historyOf(alertRuleDecider, commands).flatMap((event) =>
          "version" in event.data ? [event.data.version] : [],
        );
        expect(versions).toEqual(versions.map((_, n) => n + 1));
      }),
    );
  });

  it("the rule is switched on and off in turn", () => {
    fc.assert(
      fc.property(ruleLife, (commands) => {
        const switches = historyOf(alertRuleDecider, commands)
          .map(({ type }) => type)
          .filter((type) => type === "AlertRuleEnabled" || type === "AlertRuleDisabled");
        expect(switches).toEqual(switches.map((_, n) => (n % 2 === 0 ? "AlertRuleDisabled" : "AlertRuleEnabled")));
      }),
    );
  });

  it("what stands in force would be taken again: no mistake gets past", () => {
    fc.assert(
      fc.property(ruleLife, (commands) => {
        const state = fold(alertRuleDecider, historyOf(alertRuleDecider, commands));
        const standing = state.status === "PRESENT" ? state.definition : good;
        expect(
          historyOf(alertRuleDecider, [{ type: "CreateAlertRule", at: NOW, data: { ...rule, ...standing } }]),
        ).toHaveLength(1);
      }),
    );
  });

  it("its events give its state back after a journey through JSON", () => {
    fc.assert(
      fc.property(ruleLife, (commands) => {
        const history = historyOf(alertRuleDecider, commands);
        const stored = JSON.parse(JSON.stringify(history)) as typeof history;
        expect(JSON.stringify(fold(alertRuleDecider, stored))).toBe(JSON.stringify(fold(alertRuleDecider, history)));
      }),
    );
  });
});

describe("in any life of an alert", () => {
  it("the alert is raised, perhaps acknowledged, perhaps resolved: each once, in this order", () => {
    fc.assert(
      fc.property(fc.array(alertCommand, { maxLength: 12 }), (commands) => {
        const lived = historyOf(alertDecider, commands).map(({ type }) => type);
        expect([
          "",
          "AlertRaised",
          "AlertRaised AlertAcknowledged",
          "AlertRaised AlertResolved",
          "AlertRaised AlertAcknowledged AlertResolved",
        ]).toContain(lived.join(" "));
      }),
    );
  });
});
