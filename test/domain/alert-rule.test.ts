import { describe, expect, it } from "vitest";
import { alertRuleDecider } from "../../src/domain/alert-rule/index.js";
import type { AlertRuleCommand, AlertRuleEvent, Condition, RuleDefinition } from "../../src/domain/alert-rule/index.js";
import { deviceId, deviceTypeId, ruleId, tenantId } from "../../src/domain/ids.js";
import { fold, specify } from "../support/decider-specification.js";
import { NOW } from "./clock.js";

const { given } = specify(alertRuleDecider);
const rule = { tenantId: tenantId("acme"), ruleId: ruleId("0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a") } as const;
const hot: RuleDefinition = {
  name: "Too hot",
  description: "The bearing melts above 100",
  filter: { deviceTypes: [deviceTypeId("press")], sites: ["hall-4"] },
  condition: { metric: "temperature", operator: "GT", threshold: 90, clearThreshold: 85, forSeconds: 60 },
  severity: "HIGH",
  cooldownSeconds: 300,
  notificationChannels: [{ kind: "email", to: "ops@example.org" }],
};
const create = (definition: RuleDefinition = hot): AlertRuleCommand => ({
  type: "CreateAlertRule",
  at: NOW,
  data: { ...rule, ...definition },
});
const update = (changes: Partial<RuleDefinition>, expectedVersion?: number): AlertRuleCommand => ({
  type: "UpdateAlertRule",
  at: NOW,
  data: expectedVersion === undefined ? { changes } : { changes, expectedVersion },
});
const enable: AlertRuleCommand = { type: "EnableAlertRule", at: NOW, data: {} };
const disable: AlertRuleCommand = { type: "DisableAlertRule", at: NOW, data: {} };
const created = (definition: RuleDefinition = hot): AlertRuleEvent => ({
  type: "AlertRuleCreated",
  data: { ...rule, ...definition, version: 1 },
});
const updated = (version: number, definition: RuleDefinition): AlertRuleEvent => ({
  type: "AlertRuleUpdated",
  data: { ...definition, version },
});
const enabled: AlertRuleEvent = { type: "AlertRuleEnabled", data: {} };
const disabled: AlertRuleEvent = { type: "AlertRuleDisabled", data: {} };

describe("an alert rule", () => {
  it("is created at version 1, in force at once", () => {
    given().when(create()).then(created());
    expect(fold(alertRuleDecider, [created()])).toMatchObject({ enabled: true, version: 1, definition: hot });
  });

  it("is created once", () => given(created()).when(create()).thenRefused("ALREADY_EXISTS"));

  it.each([update({ name: "x" }), enable, disable])("that does not exist takes no $type", (command) =>
    given().when(command).thenRefused("NOT_FOUND"),
  );
});

describe("updating a rule", () => {
  it("records the whole definition at its next version", () =>
    given(created(), updated(2, { ...hot, severity: "LOW" }))
      .when(update({ severity: "CRITICAL" }))
      .then(updated(3, { ...hot, severity: "CRITICAL" })));

  it("replaces a condition or filter as a whole, so that their optional parts can go", () => {
    const condition: Condition = { metric: "temperature", operator: "LT", threshold: 5, forSeconds: 0 };
    given(created())
      .when(update({ condition, filter: {} }))
      .then(updated(2, { ...hot, condition, filter: {} }));
  });

  it("to what it is already changes nothing, however its keys are ordered", () => {
    const turned = Object.fromEntries(Object.entries(hot.condition).toReversed()) as unknown as Condition;
    given(created())
      .when(update({ name: hot.name, condition: turned }))
      .thenNothing();
  });

  it("is refused to one who has not seen the newest version", () => {
    given(created(), updated(2, hot))
      .when(update({ name: "x" }, 1))
      .thenRefused("VERSION_CONFLICT", /at version 2, not 1/u);
    given(created(), updated(2, hot))
      .when(update({ name: "x" }, 2))
      .then(updated(3, { ...hot, name: "x" }));
  });

  it("neither enables nor disables it", () =>
    expect(fold(alertRuleDecider, [created(), disabled, updated(2, hot)])).toMatchObject({ enabled: false }));

  it("checks the outcome, not only the change", () =>
    given(created())
      .when(update({ condition: { ...hot.condition, operator: "LT" } }))
      .thenRefused("INVALID_VALUE", /clearThreshold 85 must not be below the threshold 90 of LT/u));
});

describe("enabling and disabling", () => {
  it("take turns", () => {
    given(created()).when(disable).then(disabled);
    given(created(), disabled).when(enable).then(enabled);
  });

  it("what is so already changes nothing", () => {
    given(created()).when(enable).thenNothing();
    given(created(), disabled).when(disable).thenNothing();
  });
});

describe("a definition", () => {
  const condition = (changes: Partial<Condition>): RuleDefinition => ({
    ...hot,
    condition: { ...hot.condition, ...changes },
  });
  const WEEK = 7 * 24 * 3600;

  it.each<[string, RuleDefinition]>([
    ["for the whole tenant", { ...hot, filter: {} }],
    [
      "for a thousand devices",
      { ...hot, filter: { deviceIds: Array.from({ length: 1_000 }, (_, n) => deviceId(`d${n}`)) } },
    ],
    ["without hysteresis", condition({ clearThreshold: 90 })],
    ["that waits a week", condition({ forSeconds: WEEK })],
    ["that rises and clears below", condition({ operator: "GTE", threshold: 0, clearThreshold: -1 })],
    ["that falls and clears above", condition({ operator: "LTE", threshold: 0, clearThreshold: 1 })],
    ["with no one to tell", { ...hot, notificationChannels: [] }],
  ])("%s is taken", (_, definition) => given().when(create(definition)).then(created(definition)));

  it.each<[string, RuleDefinition, RegExp]>([
    ["a blank name", { ...hot, name: " " }, /name of 1 to 255/u],
    ["a name without end", { ...hot, name: "x".repeat(256) }, /name of 1 to 255/u],
    ["a description without end", { ...hot, description: "x".repeat(4097) }, /description/u],
    ["a filter that matches nothing", { ...hot, filter: { sites: [] } }, /filter\.sites is empty/u],
    ["a filter without end", { ...hot, filter: { sites: Array.from({ length: 1_001 }, () => "s") } }, /at most 1000/u],
    ["a metric that cannot be", condition({ metric: "a b" }), /condition\.metric/u],
    ["no threshold", condition({ threshold: Number.NaN }), /condition\.threshold/u],
    ["an endless threshold", condition({ threshold: Number.POSITIVE_INFINITY }), /condition\.threshold/u],
    ["a clear threshold that is no number", condition({ clearThreshold: Number.NaN }), /clearThreshold NaN/u],
    ["a rise that clears above", condition({ clearThreshold: 91 }), /not be above the threshold 90 of GT/u],
    ["a fall that clears below", condition({ operator: "LTE", clearThreshold: 89 }), /not be below/u],
    ["a negative wait", condition({ forSeconds: -1 }), /condition\.forSeconds/u],
    ["a wait of more than a week", condition({ forSeconds: WEEK + 1 }), /604800/u],
    ["an endless cool-down", { ...hot, cooldownSeconds: Number.POSITIVE_INFINITY }, /cooldownSeconds/u],
    ["channels without end", { ...hot, notificationChannels: [{ x: "y".repeat(70_000) }] }, /notificationChannels/u],
  ])("with %s is refused, when created and when updated", (_, definition, message) => {
    given().when(create(definition)).thenRefused("INVALID_VALUE", message);
    given(created()).when(update(definition)).thenRefused("INVALID_VALUE", message);
  });
});
