import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alertId, credentialId, deviceId, deviceTypeId, ruleId, tenantId } from "../../src/domain/ids.js";
import { isMetricName } from "../../src/domain/metric.js";
import { refusalOf } from "../support/decider-specification.js";

describe("names that become topic levels, subject tokens and stream names", () => {
  const named = { tenantId, deviceId, deviceTypeId };

  describe.each(Object.entries(named))("%s", (_, check) => {
    it.each(["a", "press-1", "Press_1", "0", "-", "x".repeat(64)])("takes %s", (value) => {
      expect(check(value)).toBe(value);
    });

    it.each(["", "x".repeat(65), "a/b", "a.b", "a b", "+", "#", "*", ">", "ä", "a\n", "\u0000", "$SYS"])(
      "refuses %j",
      (value) => {
        expect(refusalOf(() => check(value)).code).toBe("INVALID_VALUE");
      },
    );
  });

  it("hold no character that means something in a topic, a subject or a stream name, whatever is tried", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const harmless = value.length > 0 && value.length <= 64 && !/[^A-Za-z0-9_-]/u.test(value);
        expect(harmless ? deviceId(value) : refusalOf(() => deviceId(value)).code).toBe(
          harmless ? value : "INVALID_VALUE",
        );
      }),
    );
  });

  it("are not echoed at length: a message stays one sentence", () => {
    expect(refusalOf(() => deviceId("x".repeat(100_000))).message.length).toBeLessThan(300);
  });
});

describe("ids that are UUIDs", () => {
  const uuid = "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a";

  describe.each(Object.entries({ credentialId, ruleId, alertId }))("%s", (_, check) => {
    it("takes one in lower case", () => {
      expect(check(uuid)).toBe(uuid);
    });

    it.each(["", uuid.toUpperCase(), `${uuid}0`, uuid.replaceAll("-", ""), `{${uuid}}`, `${uuid}\n`])(
      "refuses %j",
      (value) => {
        expect(refusalOf(() => check(value)).code).toBe("INVALID_VALUE");
      },
    );
  });
});

describe("a metric's name", () => {
  it.each(["temperature", "_x", "a.b-c_9", "T", "x".repeat(64), "timestamp"])("may be %s", (name) => {
    expect(isMetricName(name)).toBe(true);
  });

  it.each(["", "9x", "-x", ".x", "a b", "a,b", "a=b", 'a"b', "a\\b", "x".repeat(65), "time", "ß", "a\n"])(
    "may not be %j",
    (name) => {
      expect(isMetricName(name)).toBe(false);
    },
  );
});
