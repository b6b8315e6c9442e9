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

test("what is JSON stops at its end", () => {
  assert(
    property(json(), (text) => {
      expect(jsonErrorPosition(text)).toBe(text.length);
    }),
  );
});
