import { expect, test } from "vitest";
import type { Commands } from "../../src/commands/index.js";
import { FleetlogError } from "../../src/platform/errors.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createAlertCommands } from "../../src/processing/alert-commands.js";
import { compileRule } from "../../src/processing/rules/rule.js";
import { raise, resolve } from "../../src/processing/rules/transition.js";
import type { Transition } from "../../src/processing/rules/transition.js";
import { waitFor } from "../support/wait-for.js";
import { ruleDocument } from "./rules/documents.js";

const rule = compileRule(ruleDocument("r"));

function raised(deviceId: string): Transition {
  return raise(rule, { deviceId, since: 1, at: 1, value: 99 }, new Date());
}

function resolved(transition: Transition): Transition {
  return resolve(transition.tenantId, transition.alertId, { cause: "condition-cleared", at: 2, value: 1 }, new Date());
}

/** An event store that answers as `answer` says; what it accepted is in `told`. */
function given(answer: (transition: string, attempt: number) => void) {
  const told: string[] = [];
  const settled: string[] = [];
  const attempts = new Map<string, number>();
  const commands: Pick<Commands, "execute"> = {
    execute: async ({ id, command }) => {
      const key = `${command.type} ${id}`;
      attempts.set(key, (attempts.get(key) ?? 0) + 1);
      answer(key, attempts.get(key) ?? 1);
      told.push(key);
      return { changed: true, retried: false, revision: 0, position: { commit: 0n, prepare: 0n } };
    },
  };
  const onSettled = (transition: Transition, outcome: string): void => {
    settled.push(`${transition.command.type} ${outcome}`);
  };
  return { told, settled, alerts: createAlertCommands({ commands, logger: silentLogger, onSettled }) };
}

test.each(["UNAVAILABLE", "CONFLICT", "LIMIT_EXCEEDED"] as const)(
  "%s is tried again, and the order of an alert holds",
  async (code) => {
    const { told, settled, alerts } = given((key, attempt) => {
      if (key.startsWith("RaiseAlert") && attempt < 4) throw new FleetlogError(code, "not now");
    });
    const first = raised("a");
    alerts.send(first);
    alerts.send(resolved(first));
    await waitFor(() => settled.length === 2);
    expect(told).toEqual([`RaiseAlert ${first.alertId}`, `ResolveAlert ${first.alertId}`]);
    expect(settled).toEqual(["RaiseAlert accepted", "ResolveAlert accepted"]);
    expect(alerts.trouble).toBeUndefined();
    await alerts.stop();
  },
);

test("a refusal is final, and holds nothing up", async () => {
  const { settled, alerts } = given((key) => {
    if (key.startsWith("RaiseAlert")) throw new FleetlogError("INVALID_VALUE", "no");
  });
  const first = raised("a");
  alerts.send(first);
  alerts.send(resolved(first));
  await waitFor(() => settled.length === 2);
  expect(settled).toEqual(["RaiseAlert refused", "ResolveAlert accepted"]);
  await alerts.stop();
});

test("stopping gives up on an event store that is away, and settles nothing", async () => {
  const { settled, alerts } = given(() => {
    throw new FleetlogError("UNAVAILABLE", "away");
  });
  for (const device of ["a", "b", "c"]) alerts.send(raised(device));
  await waitFor(() => alerts.trouble !== undefined);
  await alerts.stop();
  expect(settled).toEqual([]);
});
