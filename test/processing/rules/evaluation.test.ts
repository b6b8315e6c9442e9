import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deviceId, tenantId } from "../../../src/domain/ids.js";
import type { Reading } from "../../../src/ingest/index.js";
import { Evaluation } from "../../../src/processing/rules/evaluation.js";
import type { Transition } from "../../../src/processing/rules/transition.js";
import type { WatchDocument } from "../../../src/processing/rules/watch.js";
import type { AlertRuleDocument } from "../../../src/projections/index.js";
import { frame, reading, ruleDocument } from "./documents.js";

/** An evaluation and everything that outlives it: the stored documents, and what the event store was told. */
class Platform {
  readonly stored = new Map<string, WatchDocument>();
  readonly told: Transition[] = [];
  evaluation: Evaluation;
  #rules: readonly AlertRuleDocument[];

  constructor(...rules: readonly AlertRuleDocument[]) {
    this.#rules = rules;
    this.evaluation = this.start();
  }

  /** As after a kill: only what is stored is left. */
  start(rules = this.#rules): Evaluation {
    this.#rules = rules;
    this.evaluation = new Evaluation({ onTransition: (transition) => this.told.push(transition), clock: () => 1_000 });
    this.evaluation.watches.follow("stream-1");
    for (const document of this.stored.values()) {
      this.evaluation.restore(JSON.parse(JSON.stringify(document)) as WatchDocument);
    }
    this.evaluation.replaceRules(rules, new Set());
    return this.evaluation;
  }

  accept(): void {
    for (const transition of this.told) this.evaluation.watches.settled(transition);
  }

  store(): void {
    const snapshot = this.evaluation.watches.takeSnapshot();
    for (const document of snapshot.documents) this.stored.set(document._id, document);
    snapshot.written();
  }

  expire(acknowledged: number): void {
    for (const id of this.evaluation.watches.takeExpired(acknowledged, 0, 100)) this.stored.delete(id);
  }

  /** What the event store would show: a command that comes again says nothing new. */
  history(): string[] {
    const seen = new Set<string>();
    return this.told
      .filter(({ commandId }) => !seen.has(commandId) && seen.add(commandId))
      .map(({ command }) =>
        command.type === "RaiseAlert"
          ? `${command.data.deviceId} raised, since ${Date.parse(command.data.since) / 1_000}`
          : `resolved: ${command.data.cause}`,
      );
  }
}

describe("readings meet rules", () => {
  test("an alert says what happened in a sentence", () => {
    const condition = { ...ruleDocument("r").condition, forSeconds: 300 };
    const { evaluation, told } = new Platform(ruleDocument("r", { condition }));
    evaluation.evaluate(1, frame(reading("press-1", 0, 91), reading("press-1", 300, 92.4)));
    expect(told.map(({ command }) => command)).toEqual([
      {
        type: "RaiseAlert",
        at: "1970-01-01T00:00:01.000Z",
        data: expect.objectContaining({
          message: "temperature 92.4 of press-1 is above 90 for 300 s",
          severity: "HIGH",
          value: 92.4,
          threshold: 90,
          ruleVersion: 1,
          since: "1970-01-01T00:00:00.000Z",
          triggeredAt: "1970-01-01T00:05:00.000Z",
        }) as object,
      },
    ]);
  });

  test.each([
    ["another tenant's readings", reading("press-1", 1, 99, { tenantId: tenantId("other") })],
    ["other metrics", reading("press-1", 1, 99, { values: { pressure: 99 } })],
    ["values that are no numbers", reading("press-1", 1, "hot")],
    ["devices in maintenance", reading("press-1", 1, 99, { maintenance: true })],
  ])("nothing is raised on %s", (_what, given) => {
    const { evaluation, told } = new Platform(ruleDocument("r"));
    evaluation.evaluate(1, frame(given));
    expect(told).toEqual([]);
    expect(evaluation.watches.size).toBe(0);
  });

  test("a filter holds a rule to the devices, types and sites that it names", () => {
    const filter = { deviceIds: [deviceId("a"), deviceId("b")], sites: ["north"] };
    const platform = new Platform(ruleDocument("r", { filter }));
    const north = { site: "north" };
    platform.evaluation.evaluate(1, frame(reading("a", 1, 99, north), reading("b", 1, 99), reading("c", 1, 99, north)));
    expect(platform.history()).toEqual(["a raised, since 1"]);
  });

  test("a device that leaves the filter takes its alert with it", () => {
    const platform = new Platform(ruleDocument("r", { filter: { sites: ["north"] } }));
    platform.evaluation.evaluate(
      1,
      frame(reading("a", 1, 99, { site: "north" }), reading("a", 2, 99, { site: "south" })),
    );
    expect(platform.history()).toEqual(["a raised, since 1", "resolved: rule-changed"]);
  });

  test("late readings are counted and raise nothing, also where nothing is remembered of the device", () => {
    const platform = new Platform(ruleDocument("r"));
    platform.evaluation.evaluate(1, frame(reading("a", 5, 20), reading("a", 4, 99), reading("a", 5, 99)));
    expect(platform.history()).toEqual([]);
    expect(platform.evaluation.takeCounts()).toEqual({ evaluated: 3, late: 2 });
  });
});

function raised(): Platform {
  const platform = new Platform(ruleDocument("r"));
  platform.evaluation.evaluate(1, frame(reading("a", 1, 95)));
  return platform;
}

describe("rules change", () => {
  test("a disabled rule resolves its alerts, and judges no more", () => {
    const platform = raised();
    platform.evaluation.putRule(ruleDocument("r", { revision: 1, enabled: false }));
    platform.evaluation.evaluate(2, frame(reading("b", 2, 95)));
    expect(platform.history()).toEqual(["a raised, since 1", "resolved: rule-changed"]);
  });

  test("by another threshold an alert is judged anew", () => {
    const platform = raised();
    const condition = { ...ruleDocument("r").condition, threshold: 94 };
    platform.evaluation.putRule(ruleDocument("r", { revision: 1, version: 2, condition }));
    platform.evaluation.evaluate(2, frame(reading("a", 2, 95)));
    expect(platform.history()).toEqual(["a raised, since 1", "resolved: rule-changed", "a raised, since 2"]);
  });

  test("a new name leaves its alerts alone", () => {
    const platform = raised();
    platform.evaluation.putRule(ruleDocument("r", { revision: 1, version: 2, name: "renamed" }));
    platform.evaluation.evaluate(2, frame(reading("a", 2, 80)));
    expect(platform.history()).toEqual(["a raised, since 1", "resolved: condition-cleared"]);
  });

  test("old news changes nothing", () => {
    const platform = raised();
    platform.evaluation.putRule(ruleDocument("r", { revision: 5, enabled: false }));
    platform.evaluation.putRule(ruleDocument("r", { revision: 4 }));
    platform.evaluation.evaluate(2, frame(reading("b", 2, 95)));
    expect(platform.history()).toEqual(["a raised, since 1", "resolved: rule-changed"]);
  });

  test("a rule that is gone after a restart, or judges otherwise, resolves what it left", () => {
    const platform = raised();
    platform.store();
    platform.start([]);
    expect(platform.history()).toEqual(["a raised, since 1", "resolved: rule-changed"]);
  });

  test("a list that was asked for before a rule was made does not undo it", () => {
    const platform = new Platform();
    const made = ruleDocument("r");
    platform.evaluation.putRule(made);
    platform.evaluation.replaceRules([], new Set([made.ruleId]));
    platform.evaluation.evaluate(1, frame(reading("a", 1, 95)));
    expect(platform.history()).toEqual(["a raised, since 1"]);
  });
});

describe("what is remembered", () => {
  test("nothing of what came and went between two snapshots", () => {
    const platform = new Platform(ruleDocument("r"));
    platform.evaluation.evaluate(1, frame(reading("a", 1, 95), reading("a", 2, 80)));
    platform.accept();
    platform.store();
    expect(platform.stored.size).toBe(0);
    expect(platform.evaluation.watches.size).toBe(0);
  });

  test("a state is stored with what the event store has not accepted, and tells it again after a restart", () => {
    const platform = new Platform(ruleDocument("r"));
    platform.evaluation.evaluate(1, frame(reading("a", 1, 95)));
    platform.store();
    platform.told.splice(0);
    platform.start();
    expect(platform.history()).toEqual(["a raised, since 1"]);
    expect(platform.evaluation.watches.owed).toBe(1);
    platform.accept();
    platform.store();
    platform.told.splice(0);
    platform.start();
    expect(platform.history()).toEqual([]);
  });

  test("a document outlives the frames that made it blank, and no longer", () => {
    const platform = new Platform(ruleDocument("r"));
    platform.evaluation.evaluate(1, frame(reading("a", 1, 95)));
    platform.accept();
    platform.store();
    platform.evaluation.evaluate(2, frame(reading("a", 2, 80)));
    platform.accept();
    platform.store();
    platform.expire(1);
    expect(platform.stored.size).toBe(1);
    platform.expire(2);
    expect(platform.stored.size).toBe(0);
    expect(platform.evaluation.watches.size).toBe(0);
  });

  test("a snapshot that could not be stored is part of the next", () => {
    const platform = new Platform(ruleDocument("r"));
    platform.evaluation.evaluate(1, frame(reading("a", 1, 95)));
    platform.evaluation.watches.takeSnapshot().failed();
    platform.store();
    expect(platform.stored.size).toBe(1);
  });

  test("in a stream that was made anew, numbers of the old one mean nothing", () => {
    const platform = new Platform(ruleDocument("r"));
    platform.evaluation.evaluate(100, frame(reading("a", 1, 95)));
    platform.store();
    platform.start();
    platform.evaluation.watches.follow("stream-2");
    platform.evaluation.evaluate(1, frame(reading("a", 2, 80)));
    expect(platform.history()).toEqual(["a raised, since 1", "resolved: condition-cleared"]);
  });
});

test("killed anywhere, with frames delivered again, the same alerts are raised and resolved", () => {
  const frames = fc.array(
    fc.array(fc.record({ device: fc.constantFrom("a", "b"), value: fc.integer({ min: 70, max: 100 }) }), {
      minLength: 1,
      maxLength: 3,
    }),
    { minLength: 1, maxLength: 40 },
  );
  /** What happens after each frame, in this order. */
  const actions = fc.array(fc.subarray(["accept", "store", "acknowledge", "expire", "kill"]), { maxLength: 40 });
  const rules = fc.record({
    forSeconds: fc.nat(3),
    cooldownSeconds: fc.nat(12),
    clearThreshold: fc.integer({ min: 80, max: 90 }),
  });
  fc.assert(
    fc.property(frames, actions, rules, (shapes, does, { forSeconds, cooldownSeconds, clearThreshold }) => {
      const condition = { ...ruleDocument("r").condition, forSeconds, clearThreshold };
      const rule = ruleDocument("r", { condition, cooldownSeconds });
      let second = 0;
      const stream: readonly Reading[][] = shapes.map((shape) =>
        shape.map(({ device, value }) => reading(device, (second += 1), value)),
      );
      const calm = new Platform(rule);
      for (const [n, readings] of stream.entries()) calm.evaluation.evaluate(n + 1, frame(...readings));

      const rough = new Platform(rule);
      let acknowledged = 0;
      let stored = 0;
      for (let n = 0; n < stream.length; n += 1) {
        rough.evaluation.evaluate(n + 1, frame(...(stream[n] ?? [])));
        for (const what of does[n] ?? []) {
          if (what === "accept") rough.accept();
          if (what === "expire") rough.expire(acknowledged);
          if (what === "store") {
            rough.store();
            stored = n + 1;
          }
          // Later than it was stored, or never: the acknowledgement may be lost with the process.
          if (what === "acknowledge") acknowledged = stored;
          if (what === "kill") {
            rough.start();
            // Delivered again: everything that was not acknowledged, in the stream's order.
            for (let again = acknowledged; again <= n; again += 1)
              rough.evaluation.evaluate(again + 1, frame(...(stream[again] ?? [])));
          }
        }
      }
      expect(rough.history().toSorted()).toEqual(calm.history().toSorted());
    }),
    { numRuns: 300 },
  );
});
