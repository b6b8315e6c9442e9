import { Double, Int32, Long, ObjectId } from "bson";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rawValueOf } from "../../../src/embedded/documents/semantics/bson.js";
import { keyOf, KeyWriter } from "../../../src/embedded/documents/semantics/key.js";
import { compare } from "../../../src/embedded/documents/semantics/values.js";

const key = (value: unknown): Buffer => keyOf(rawValueOf(value));
const sign = (order: number): number => Math.sign(order);

const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.integer().map((n) => new Int32(n)),
  fc.double().map((n) => new Double(n)),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map((n) => Long.fromBigInt(n)),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => new ObjectId(bytes)),
);
const value = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(fc.string({ maxLength: 3 }), scalar, { maxKeys: 3 }),
);

const compound = (first: unknown, second: unknown): Buffer => {
  const writer = new KeyWriter();
  writer.value(rawValueOf(first));
  const from = writer.length;
  writer.value(rawValueOf(second));
  writer.invert(from);
  writer.uint53(7);
  return writer.take();
};

describe("the encoding of index keys", () => {
  it("has the order of the comparison", () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(sign(Buffer.compare(key(a), key(b)))).toBe(sign(compare(a, b)));
      }),
      { numRuns: 2_000 },
    );
  });

  it("orders whole numbers exactly, whether int, long or double", () => {
    const whole = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
    fc.assert(
      fc.property(whole, fc.bigInt(-2_000n, 2_000n), (a, step) => {
        const b = BigInt.asIntN(64, a + step);
        const expected = a < b ? -1 : a > b ? 1 : 0;
        expect(sign(Buffer.compare(key(Long.fromBigInt(a)), key(Long.fromBigInt(b))))).toBe(expected);
        const double = Number(b);
        const against = BigInt(double);
        const mixed = a < against ? -1 : a > against ? 1 : 0;
        expect(sign(Buffer.compare(key(Long.fromBigInt(a)), key(new Double(double))))).toBe(mixed);
      }),
      { numRuns: 2_000 },
    );
  });

  it("orders strings as their UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        const expected = sign(Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(sign(compare(a, b))).toBe(expected);
        expect(sign(Buffer.compare(key(a), key(b)))).toBe(expected);
      }),
    );
  });

  it("lets fields follow each other, and turns the order of a descending one around", () => {
    fc.assert(
      fc.property(value, value, value, value, (a1, a2, b1, b2) => {
        const expected = sign(compare(a1, b1)) || -sign(compare(a2, b2)) + 0;
        expect(sign(Buffer.compare(compound(a1, a2), compound(b1, b2))) + 0).toBe(expected);
      }),
      { numRuns: 1_000 },
    );
  });
});
