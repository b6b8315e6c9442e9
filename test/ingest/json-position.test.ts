import { assert, json, property } from "fast-check";
import { expect, test } from "vitest";
import { jsonErrorPosition } from "../../src/ingest/pipeline/json-position.js";

test.each([
  ["{", 1],
  ['{"a":}', 5],
  ['{"a":1,}', 7],
  ["[1 2]", 3],
  ["nul", 0],
  ["01", 0],
  ['{"a":NaN}', 5],
  ["[1]]", 3],
  ['{"a":"\n"}', 5],
  ["[}", 1],
  ['"ü🎉" x', 6],
])("%s stops being JSON at %i", (text, position) => {
  expect(jsonErrorPosition(text)).toBe(position);
});

test("a mistake that only a long search would find is not searched for", () => {
  expect(jsonErrorPosition("[".repeat(8_000_000))).toBeUndefined();
  expect(jsonErrorPosition(`[${"1,".repeat(1_000)}x`)).toBe(2_001);
});

test("what is JSON stops at its end", () => {
  assert(
    property(json(), (text) => {
      expect(jsonErrorPosition(text)).toBe(text.length);
    }),
  );
});
