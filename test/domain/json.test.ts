import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonBytes, sameJson } from "../../src/domain/json.js";

describe("two JSON values are the same", () => {
  it("after a journey through text, whatever they are", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(sameJson(value, JSON.parse(JSON.stringify(value)))).toBe(true);
      }),
    );
  });

  it("whatever the order of an object's keys", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).toReversed());
        expect(sameJson(value, turned)).toBe(true);
      }),
    );
  });

  it("where one has a key that holds nothing and the other lacks it", () => {
    expect(sameJson({ a: 1, b: undefined }, { a: 1 })).toBe(true);
  });

  it.each<[unknown, unknown]>([
    [{ a: 1 }, { a: 1, b: null }],
    [{ a: 1 }, { b: 1 }],
    [{ a: undefined, b: 1 }, { a: 1 }],
    [
      [1, 2],
      [2, 1],
    ],
    [[], {}],
    [null, {}],
    ["1", 1],
    [{ a: { b: [1] } }, { a: { b: [2] } }],
    [{}, { constructor: 1 }],
  ])("but %j and %j are not", (a, b) => {
    expect(sameJson(a, b)).toBe(false);
    expect(sameJson(b, a)).toBe(false);
  });
});

it("a JSON value's size is that of its UTF-8 text", () => {
  expect(jsonBytes({ k: "ä€😀" })).toBe(Buffer.byteLength('{"k":"ä€😀"}'));
});
