import { describe, expect, it } from "vitest";
import type { SeenAlert } from "../../src/demo/alert-feed.js";
import { findingsOf, outside } from "../../src/demo/findings.js";

const hour = 3_600_000;
const alert = (hours: number): SeenAlert => ({
  alertId: `alert-${hours}`,
  ruleId: "rule",
  deviceId: "machine-1",
  severity: "HIGH",
  status: "RESOLVED",
  message: "cold",
  value: 40,
  since: new Date((hours - 1) * hour).toISOString(),
  triggeredAt: new Date(hours * hour).toISOString(),
  raisedAt: new Date(hours * hour).toISOString(),
});
const spans = [
  { from: 10 * hour, to: 20 * hour },
  { from: 40 * hour, to: 60 * hour },
];

describe("what the alerts of a machine say of its recorded anomalies", () => {
  it("is found by the first alert within, so many hours in and ahead of the middle", () => {
    const [first, second] = findingsOf(spans, [alert(55), alert(45), alert(5)]);
    expect(first).toMatchObject({ alert: undefined, hoursIn: undefined, hoursAhead: undefined });
    expect(second).toMatchObject({ alert: { alertId: "alert-45" }, hoursIn: 5, hoursAhead: 5 });
  });

  it("counts what lies outside of them all", () => {
    expect(outside(spans, [alert(5), alert(10), alert(20), alert(30), alert(61)])).toBe(3);
  });

  it("is nothing where nothing is known", () => {
    expect(findingsOf([], [alert(5)])).toEqual([]);
  });
});
