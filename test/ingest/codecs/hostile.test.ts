import { encode } from "cborg";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeTelemetry } from "../../../src/ingest/codecs/decode.js";
import { formats } from "../../../src/ingest/codecs/format.js";
import { readSparkplug } from "../../../src/ingest/codecs/sparkplug.js";
import { readTelemetry } from "../../../src/ingest/pipeline/telemetry.js";
import { createConversions } from "../../../src/ingest/pipeline/units/convert.js";
import { accessWith } from "./access.js";

const protobuf = {
  message: "M",
  schema: `syntax = "proto3";
    message P { double lat = 1; optional string s = 2; }
    message M { int64 ts = 1; double a = 2; optional uint64 b = 3; P p = 4; bool c = 5; }`,
};
const bounds = { maxAgeMs: 1e12, conversions: createConversions() };

/** What is wrong after a payload: a refusal without a reason, or a value that cannot be stored. Throws where the codec or the pipeline does. */
function problems(payload: Buffer): readonly string[] {
  const now = Date.now();
  readSparkplug(payload);
  return formats.flatMap((format) => {
    const access = accessWith({ format, protobuf });
    const measurements = decodeTelemetry(access, payload, undefined, now);
    const readings = "code" in measurements ? measurements : readTelemetry(access, measurements, now, bounds);
    if ("code" in readings) return readings.message.length > 10 ? [] : [`${format}: a refusal without a reason`];
    return readings.flatMap(({ values }) =>
      Object.entries(values)
        .filter(([, value]) => !isStorable(value))
        .map(([name]) => `${format}: ${name} was taken`),
    );
  });
}

function isStorable(value: unknown): boolean {
  return typeof value === "number" ? Number.isFinite(value) : typeof value === "string" || typeof value === "boolean";
}

function survives<T>(arbitrary: fc.Arbitrary<T>, payloads: (value: T) => readonly Uint8Array[]): void {
  fc.assert(
    fc.property(arbitrary, (value) => {
      for (const payload of payloads(value)) expect(problems(Buffer.from(payload))).toEqual([]);
    }),
    { numRuns: 300 },
  );
}

function inJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value, (_key, one: unknown) => (typeof one === "bigint" ? Number(one) : one)));
}

describe("every codec survives", () => {
  test("any bytes", () => {
    expect.hasAssertions();
    survives(fc.uint8Array({ maxLength: 300 }), (bytes) => [bytes]);
  });

  test("any JSON, in JSON and in CBOR", () => {
    expect.hasAssertions();
    survives(fc.jsonValue(), (value) => [inJson(value), encode(value)]);
  });

  test("the fields of SenML in any mixture", () => {
    expect.hasAssertions();
    const label = fc.constantFrom(..."bn bt bu bv bs bver n u v vs vb vd s t ut x_".split(" "));
    const integer = fc.bigInt({ max: 2n ** 63n, min: -(2n ** 63n) });
    const value = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null), integer);
    const record = fc.dictionary(label, value, { noNullPrototype: true });
    survives(fc.array(record), (pack) => [inJson(pack), encode(pack)]);
  });
});
