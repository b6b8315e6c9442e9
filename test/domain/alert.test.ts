import { describe, it } from "vitest";
import { alertDecider } from "../../src/domain/alert/index.js";
import type { AlertCommand, AlertEvent, AlertRaised } from "../../src/domain/alert/index.js";
import { alertId, deviceId, ruleId, tenantId } from "../../src/domain/ids.js";
import { specify } from "../support/decider-specification.js";
import { EARLIER, LATER, NOW } from "./clock.js";

const { given } = specify(alertDecider);
const raised: AlertRaised = {
  type: "AlertRaised",
  data: {
    tenantId: tenantId("acme"),
    alertId: alertId("3f0c8a52-0d54-5b2c-8c3e-1f2a3b4c5d6e"),
    ruleId: ruleId("0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a"),
    ruleVersion: 3,
    deviceId: deviceId("press-1"),
    severity: "HIGH",
    message: "temperature 92.4 of press-1 is above 90 for 60 s",
    metric: "temperature",
    value: 92.4,
    threshold: 90,
    since: EARLIER,
    triggeredAt: NOW,
  },
};
const acknowledged: AlertEvent = { type: "AlertAcknowledged", data: { by: "user:ada", note: "on my way" } };
const cleared: AlertEvent = {
  type: "AlertResolved",
  data: { resolvedAt: LATER, cause: "condition-cleared", value: 84 },
};
const raise: AlertCommand = { type: "RaiseAlert", at: NOW, data: raised.data };
const acknowledge: AlertCommand = {
  type: "AcknowledgeAlert",
  at: NOW,
  data: { by: "user:ada", note: "on my way" },
};
const clear: AlertCommand = {
  type: "ResolveAlert",
  at: LATER,
  data: { resolvedAt: LATER, cause: "condition-cleared", value: 84 },
};

/** The whole life of an alert: what each command does in each status. */
describe("an alert that does not exist", () => {
  it("is raised, with all that made it", () => given().when(raise).then(raised));
  it("cannot be acknowledged", () => given().when(acknowledge).thenRefused("NOT_FOUND"));
  it("cannot be resolved", () => given().when(clear).thenRefused("NOT_FOUND"));
});

describe("an active alert", () => {
  it("is one episode: raised again, it stays one alert", () => given(raised).when(raise).thenNothing());
  it("is acknowledged by someone", () => given(raised).when(acknowledge).then(acknowledged));
  it("is resolved", () => given(raised).when(clear).then(cleared));
});

describe("a note", () => {
  it("has an end: the history keeps it for ever", () => {
    const note = "x".repeat(1_025);
    given(raised)
      .when({ type: "AcknowledgeAlert", at: NOW, data: { by: "user:ada", note } })
      .thenRefused("INVALID_VALUE", /note has at most 1024/u);
    given(raised)
      .when({ type: "ResolveAlert", at: NOW, data: { resolvedAt: NOW, cause: "by-hand", note } })
      .thenRefused("INVALID_VALUE", /note has at most 1024/u);
  });
});

describe("an acknowledged alert", () => {
  it("does not become active again", () => given(raised, acknowledged).when(raise).thenNothing());
  it("is acknowledged once: the first one has it", () =>
    given(raised, acknowledged)
      .when({ type: "AcknowledgeAlert", at: NOW, data: { by: "user:grace" } })
      .thenNothing());
  it("is resolved", () => given(raised, acknowledged).when(clear).then(cleared));
});

describe("a resolved alert", () => {
  it("is over: its episode is not raised again", () => given(raised, cleared).when(raise).thenNothing());
  it("cannot be acknowledged", () =>
    given(raised, cleared)
      .when(acknowledge)
      .thenRefused("ILLEGAL_TRANSITION", /RESOLVED/u));
  it("is resolved once, by whoever came first", () =>
    given(raised, acknowledged, cleared)
      .when({ type: "ResolveAlert", at: LATER, data: { resolvedAt: LATER, cause: "by-hand", by: "user:ada" } })
      .thenNothing());
});
