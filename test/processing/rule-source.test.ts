import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { FleetlogError } from "../../src/platform/errors.js";
import { silentLogger } from "../../src/platform/logger.js";
import { subjects } from "../../src/platform/subjects.js";
import { startRuleSource } from "../../src/processing/rule-source.js";
import type { RuleSource } from "../../src/processing/rule-source.js";
import type { AlertRuleDocument } from "../../src/projections/index.js";
import { connectNats } from "../../src/engines/nats.js";
import type { NatsConnection } from "../../src/engines/nats.js";
import { startTestEngines } from "../support/platform.js";
import type { TestEngines } from "../support/platform.js";
import { waitFor } from "../support/wait-for.js";
import { ruleDocument } from "./rules/documents.js";

let engines: TestEngines;
let nc: NatsConnection;
let source: RuleSource | undefined;

beforeAll(async () => {
  engines = await startTestEngines();
  nc = await connectNats(engines.natsUrl, "rule-source");
});
afterEach(() => source?.stop());
afterAll(async () => {
  await nc.close();
  await engines.stop();
});

/** A read model in memory, and what the source has said so far. */
function given(list: () => readonly AlertRuleDocument[], reloadMs = 3_600_000) {
  const said: string[] = [];
  source = startRuleSource({
    nc,
    // Asked through a promise, as the read model is.
    alertRules: { allEnabled: async () => list() },
    logger: silentLogger,
    onRule: ({ name }) => said.push(`changed: ${name}`),
    onRules: (rules, heard) => said.push(`all: ${rules.map(({ name }) => name).join(" ")}; heard ${heard.size}`),
    reloadMs,
  });
  return { source, said };
}

test("first all, then each change as it is told", async () => {
  const { source, said } = given(() => [ruleDocument("a"), ruleDocument("b")]);
  await source.loaded;
  const document = ruleDocument("c");
  nc.publish(
    subjects.changed("alert-rule", "acme", document.ruleId),
    JSON.stringify({ entity: "alert-rule", document }),
  );
  await waitFor(() => said.length === 2);
  expect(said).toEqual(["all: a b; heard 0", "changed: c"]);
});

test("a change whose note was lost is found at the next look", async () => {
  const rules = [ruleDocument("a")];
  const { source, said } = given(() => rules, 20);
  await source.loaded;
  rules.push(ruleDocument("b"));
  await waitFor(() => said.includes("all: a b; heard 0"));
  expect(said[0]).toBe("all: a; heard 0");
});

test("a note that cannot be read makes it look at all of them", async () => {
  const { source, said } = given(() => [ruleDocument("a")]);
  await source.loaded;
  nc.publish(subjects.changed("alert-rule", "acme", "x"), "no JSON");
  await waitFor(() => said.length === 2);
  expect(said[1]).toBe("all: a; heard 0");
});

test("a read model that is away is waited for, and said to be away", async () => {
  let away = true;
  const { source } = given(() => {
    if (away) throw new FleetlogError("UNAVAILABLE", "the document store is away");
    return [];
  });
  await waitFor(() => source.trouble !== undefined);
  expect(source.trouble).toBe("the alert rules cannot be read: the document store is away");
  away = false;
  await source.loaded;
  expect(source.trouble).toBeUndefined();
});
