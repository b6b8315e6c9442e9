import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkJson, jsonBytes, MAX_JSON_DEPTH, sameJson } from "../../src/domain/json.js";
import type { JsonValue } from "../../src/domain/json.js";

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

function nested(levels: number): JsonValue {
  return JSON.parse("[".repeat(levels) + "]".repeat(levels)) as JsonValue;
}

describe("JSON from outside is kept only where it can be given back as it was said", () => {
  it("whatever its keys and texts are", () => {
    const odd = { $gt: 1, "a.b": null, "": ["\0", "é😀"], constructor: { prototype: -0 }, toString: true };
    expect(() => checkJson("metadata", odd)).not.toThrow();
    expect(() => checkJson("metadata", nested(MAX_JSON_DEPTH))).not.toThrow();
  });

  it.each<[string, string, RegExp]>([
    ["a level too deep", "[".repeat(33) + "]".repeat(33), /^metadata has at most 32 levels/u],
    ["deeper than any stack", "[".repeat(200_000) + "]".repeat(200_000), /at most 32 levels/u],
    ["a key with a zero byte, which no document can have", '{"x":[{"a\\u0000b":1}]}', /the key "a\\u0000b"/u],
    ["a key that would be a prototype", '{"__proto__":{"admin":true}}', /the key "__proto__"/u],
    ["a number that reads as infinity", '{"x":1e999}', /a number that is too large/u],
    ["half a character", '{"x":"\\ud800"}', /not Unicode/u],
    ["more than the bound", JSON.stringify({ x: "y".repeat(64 * 1024) }), /at most 65536 bytes/u],
  ])("not %s", (_, text, message) => {
    expect(() => checkJson("metadata", JSON.parse(text) as JsonValue)).toThrow(message);
  });
});
