import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseMapping, readMapping } from "../../../src/ingest/bridge/mapping.js";
import { compilePattern } from "../../../src/ingest/bridge/topic-pattern.js";

const mistakes = (mapping: unknown): string => {
  try {
    parseMapping(mapping);
  } catch (error) {
    return String(error);
  }
  return "";
};

describe("the mapping", () => {
  test.each([
    [{ topic: "a/{device}" }, "rules.0.tenant: uses {tenant}, which the topic does not name"],
    [{ topic: "a/#/b", tenant: "t", device: "d" }, 'rules.0.topic: has "#"'],
    [{ topic: "a/x{device}", tenant: "t" }, 'rules.0.topic: has "x{device}"'],
    [{ topic: "{device}/{device}", tenant: "t" }, "rules.0.topic: names one place twice"],
    [{ topic: "{tenant}/{device}", payload: "value" }, "rules.0.metric: is missing"],
    [{ topic: "{tenant}/{device}", payload: "xml" }, "rules.0.payload"],
    [{ topic: "{tenant}/{device}", metrics: { a: "b" } }, 'rules.0.metrics: is for "payload": "json" only'],
    [{ topic: "{tenant}/{device}", payload: "json", metrics: { "no metric": "b" } }, "rules.0.metrics"],
    [{ topic: "{tenant}/{device}", tpyo: 1 }, 'Unrecognized key: "tpyo"'],
  ])("names the mistake in %j", (rule, message) => {
    expect(mistakes({ rules: [rule] })).toContain(message);
  });

  test("names all mistakes at once", () => {
    const said = mistakes({ rules: [{ topic: "{device}" }, { topic: "{tenant}/{device}", payload: "value" }] });
    expect(said).toContain("2 mistakes");
    expect(said).toContain("rules.0.tenant");
    expect(said).toContain("rules.1.metric");
  });

  test("says of a file that cannot be read which it was", () => {
    const dir = mkdtempSync(join(tmpdir(), "fleetlog-mapping-"));
    const file = join(dir, "mapping.json");
    expect(() => readMapping(file)).toThrow(/FLEETLOG_BRIDGE_MAPPING: .*mapping\.json cannot be read/u);
    writeFileSync(file, "{");
    expect(() => readMapping(file)).toThrow(/cannot be read/u);
    writeFileSync(file, JSON.stringify({ rules: [{ topic: "{tenant}/{device}" }] }));
    expect(readMapping(file)).toHaveLength(1);
    rmSync(dir, { recursive: true });
  });
});

test("a pattern finds what was put into its places, and its filter says no more than it", () => {
  const level = fc.stringMatching(/^[a-zA-Z0-9_. -]{0,12}$/u);
  fc.assert(
    fc.property(level, level, level, (site, device, metric) => {
      const pattern = compilePattern("factory/{site}/{device}/x/{metric}");
      if (typeof pattern === "string") throw new Error(pattern);
      expect(pattern.filter).toBe("factory/+/+/x/+");
      expect(pattern.match(`factory/${site}/${device}/x/${metric}`)).toEqual({ site, device, metric });
      expect(pattern.match(`factory/${site}/${device}/y/${metric}`)).toBeUndefined();
      expect(pattern.match(`factory/${site}/${device}/x`)).toBeUndefined();
    }),
  );
});
