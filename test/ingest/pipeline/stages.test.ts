/** The order of the pipeline's stages, and that no payload gets past them in another way than as a reading or a refusal. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeTelemetry } from "../../../src/ingest/codecs/decode.js";
import type { DeviceAccess, Reading } from "../../../src/ingest/index.js";
import type { Measurement } from "../../../src/ingest/measurement.js";
import { createJudge } from "../../../src/ingest/pipeline/quality/quality.js";
import type { Refusal } from "../../../src/ingest/pipeline/refusal.js";
import { readTelemetry } from "../../../src/ingest/pipeline/telemetry.js";
import { createConversions } from "../../../src/ingest/pipeline/units/convert.js";
import { accessWith } from "./access.js";

const NOW = 1_800_000_000_000;
const limits = { maxAgeMs: 366 * 86_400_000, conversions: createConversions() };

const temperature = { name: "temperature", kind: "number", unit: "Cel", min: -40, max: 85 } as const;

function measured(values: Measurement["values"], units?: Measurement["units"]): Measurement {
  return { timestamp: NOW, values, path: "", valuesPath: "", ...(units === undefined ? {} : { units }) };
}

function read(access: DeviceAccess, measurement: Measurement): readonly Reading[] | Refusal {
  return readTelemetry(access, [measurement], NOW, limits);
}

function valueOf(read: readonly Reading[] | Refusal): unknown {
  return "code" in read ? read : read[0]?.values["temperature"];
}

describe("a value on its way through the pipeline", () => {
  it("is calibrated: scale times the raw one, plus the offset", () => {
    const access = accessWith({ calibration: { temperature: { scale: 2, offset: -1 } } });
    expect(valueOf(read(access, measured({ temperature: 10.2 })))).toBe(19.4);
  });

  it("is calibrated in the unit that the device writes, and then converted", () => {
    const access = accessWith({ metrics: [temperature], calibration: { temperature: { offset: 2 } } });
    // 48 °F and 2 °F are 50 °F, which are 10 °C; the other way round it would be 10.9.
    expect(valueOf(read(access, measured({ temperature: 48 }, { temperature: "[degF]" })))).toBe(10);
  });

  it("is held against the type's minimum and maximum only after that", () => {
    const access = accessWith({ metrics: [temperature], calibration: { temperature: { offset: -20 } } });
    // Raw, it is above the maximum of 85.
    expect(valueOf(read(access, measured({ temperature: 100 })))).toBe(80);
    // Raw, it is above the minimum of -40.
    expect(read(access, measured({ temperature: -30 }))).toEqual({
      code: "INVALID_VALUE",
      message:
        "temperature: -50 is below the device type's minimum of -40 (after calibration and conversion to its unit)",
    });
    // 150 °F: above 85 as a number, below it as degrees Celsius.
    const plain = accessWith({ metrics: [temperature] });
    expect(valueOf(read(plain, measured({ temperature: 150 }, { temperature: "[degF]" })))).toBeCloseTo(65.56, 2);
  });

  it("is refused in a unit that is unknown, or of another kind, by name", () => {
    const access = accessWith({ metrics: [temperature] });
    expect(read(access, measured({ temperature: 1 }, { temperature: "parsec" }))).toMatchObject({
      code: "INVALID_VALUE",
      message: 'temperature: the unit "parsec" is not known: write it as UCUM does',
    });
    expect(read(access, measured({ temperature: 1 }, { temperature: "kPa" }))).toMatchObject({
      message: 'temperature: the unit "kPa" cannot be converted to the device type\'s "Cel"',
    });
  });

  it("says its unit in JSON beside the values", () => {
    const access = accessWith({ metrics: [temperature] });
    const take = (message: unknown): readonly Reading[] | Refusal => {
      const decoded = decodeTelemetry(access, Buffer.from(JSON.stringify(message)), "json");
      return "code" in decoded ? decoded : readTelemetry(access, decoded, NOW, limits);
    };
    const set = { ts: NOW, values: { temperature: 70.7 }, units: { temperature: "[degF]", other: "m" } };
    expect(valueOf(take(set))).toBe(21.5);
    expect(take([set, { ...set, units: { temperature: "kPa" } }])).toEqual({
      code: "INVALID_VALUE",
      message: 'readings[1].values.temperature: the unit "kPa" cannot be converted to the device type\'s "Cel"',
    });
    expect(take({ ...set, units: { temperature: 1 } })).toEqual({
      code: "MALFORMED_PAYLOAD",
      message: "units.temperature: expected a unit in UCUM, got 1",
    });
    expect(take({ ...set, units: "[degF]" })).toMatchObject({ code: "MALFORMED_PAYLOAD" });
    // The short form has no units: the name is a metric's.
    expect(take({ temperature: 1, units: "x" })).toMatchObject({ code: "UNKNOWN_METRIC" });
  });

  it("stays as it is where the type names no unit, and where it is no number", () => {
    expect(valueOf(read(accessWith(), measured({ temperature: 70 }, { temperature: "[degF]" })))).toBe(70);
    const access = accessWith({ calibration: { temperature: { offset: 1 } } });
    expect(valueOf(read(access, measured({ temperature: "warm" })))).toBe("warm");
  });

  it("is refused when calibration makes it endless", () => {
    const access = accessWith({ calibration: { temperature: { scale: 1e300 } } });
    expect(read(access, measured({ temperature: 1e300 }))).toMatchObject({ code: "INVALID_VALUE" });
  });

  it("leaves what the device sent as it was", () => {
    const values = { temperature: 10, other: 1 };
    const access = accessWith({ calibration: { temperature: { offset: 1 } } });
    read(access, measured(values));
    expect(values).toEqual({ temperature: 10, other: 1 });
  });

  it("falls with its message: all of it, or nothing", () => {
    const access = accessWith({ metrics: [temperature] });
    const good = measured({ temperature: 1 });
    const bad = measured({ temperature: 1_000 });
    expect(readTelemetry(access, [good, bad, good], NOW, limits)).toHaveProperty("code", "INVALID_VALUE");
  });
});

describe("whatever comes", () => {
  const names = fc.oneof(
    fc.constantFrom("temperature", "humidity", "__proto__", "constructor", "toString", "code", "ts", "values", ""),
    fc.string({ maxLength: 70 }),
  );
  const json = fc.json({ maxDepth: 4 });
  const sets = fc.array(fc.dictionary(names, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 6 }), { maxLength: 4 });
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    json.map((text) => Buffer.from(text)),
    sets.map((all) => Buffer.from(JSON.stringify(all))),
  );
  const formats = fc.constantFrom(
    undefined,
    "json",
    "cbor",
    "senml+json",
    "senml+cbor",
    "thingsboard",
    "protobuf",
    "sparkplug",
  );
  const accesses = fc.constantFrom(
    accessWith(),
    accessWith({ calibration: { temperature: { scale: -3, offset: 1e308 }, constructor: { offset: 1 } } }),
    accessWith({
      metrics: [{ ...temperature, quality: { expectedMin: 0, expectedMax: 1, maxRate: 0.1, stuckAfter: 1 } }],
      reportEvery: 1,
      calibration: { temperature: { offset: 1 } },
    }),
  );
  const judge = createJudge(100);

  it("becomes readings of finite values, or one refusal with a sentence", () => {
    fc.assert(
      fc.property(payload, formats, accesses, (bytes, format, access) => {
        const decoded = decodeTelemetry(access, bytes, format);
        const result = "code" in decoded ? decoded : readTelemetry(access, decoded, NOW, limits);
        const judged = "code" in result ? [] : judge(access, result);
        const numbers = judged
          .flatMap(({ values }) => Object.values(values))
          .filter((value) => typeof value === "number");
        expect(numbers.every(Number.isFinite)).toBe(true);
        expect("code" in result ? result.message.length : judged.length).toBeGreaterThan(0);
      }),
      { numRuns: 1_000 },
    );
  });

  it("has units that convert, or one refusal, too", () => {
    const units = fc.dictionary(names, fc.oneof(fc.constantFrom("Cel", "[degF]", "%", "lat"), fc.string()), {
      maxKeys: 4,
    });
    const values = fc.dictionary(names, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 4 });
    fc.assert(
      fc.property(values, units, accesses, (given, of, access) => {
        const result = read(access, measured(given, of));
        expect("code" in result ? result.message.length : result.length).toBeGreaterThan(0);
      }),
    );
  });
});
