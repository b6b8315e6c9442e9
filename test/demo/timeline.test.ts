import { assert, integer, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { createTimeline, dueCount } from "../../src/demo/timeline.js";

const recording = {
  file: "x.csv",
  times: [1_000, 2_000, 2_000, 5_000],
  values: [10, 20, 21, 50],
  anomalies: [{ from: 1_500, to: 2_500 }],
};

describe("a timeline", () => {
  it("ends when it is told to, with the recording's own intervals", () => {
    const timeline = createTimeline(recording, 100_000);
    expect([0, 1, 2, 3].map((n) => timeline.time(n))).toEqual([96_000, 97_000, 97_000, 100_000]);
    expect([0, 1, 2, 3].map((n) => timeline.value(n))).toEqual([10, 20, 21, 50]);
    expect(timeline.anomalies).toEqual([{ from: 96_500, to: 97_500 }]);
  });

  it("may begin within the recording, and says of no span that it is wrong then", () => {
    const timeline = createTimeline(recording, 100_000, 0.5);
    expect([0, 1, 2, 3].map((n) => timeline.value(n))).toEqual([21, 50, 10, 20]);
    expect([0, 1, 2, 3].map((n) => timeline.time(n))).toEqual([96_000, 97_000, 97_000, 100_000]);
    expect(timeline.anomalies).toEqual([]);
  });
});

describe("the pace", () => {
  it("starts with nothing, is even, and is done at the end", () => {
    expect(dueCount(1_000, 0, 10_000)).toBe(0);
    expect(dueCount(1_000, 5_000, 10_000)).toBe(500);
    expect(dueCount(1_000, 9_999, 10_000)).toBe(999);
    expect(dueCount(1_000, 10_000, 10_000)).toBe(1_000);
    expect(dueCount(1_000, 99_999, 10_000)).toBe(1_000);
  });

  it("never goes back, and never asks for more than there is", () => {
    const positive = integer({ min: 1, max: 1e6 });
    assert(
      property(positive, positive, positive, positive, (length, whole, a, b) => {
        const [sooner, later] = a < b ? [a, b] : [b, a];
        expect(dueCount(length, sooner, whole)).toBeLessThanOrEqual(dueCount(length, later, whole));
        expect(dueCount(length, later, whole)).toBeLessThanOrEqual(length);
      }),
    );
  });
});
