import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createConversions } from "../../../src/ingest/pipeline/units/convert.js";
import { ucumOfSenml } from "../../../src/ingest/pipeline/units/senml.js";
import { parseUnit } from "../../../src/ingest/pipeline/units/ucum.js";

const conversions = createConversions();

function converted(value: number, from: string, to: string): number | string {
  return outcome(value, ucumOfSenml(from), to);
}

function outcome(value: number, from: string, to: string): number | string {
  const found = conversions(from, to);
  return found.ok ? found.convert(value) : found.why;
}

describe("a value in another unit than the device type's", () => {
  it.each([
    [212, "[degF]", "Cel", 100],
    [-40, "[degF]", "Cel", -40],
    [300, "K", "Cel", 26.85],
    [21.5, "Cel", "K", 294.65],
    [1, "[psi]", "kPa", 6.8947572931684],
    [1, "mm[Hg]", "Pa", 133.322],
    [1013.25, "mbar", "hPa", 1013.25],
    [0.5, "{ratio}", "%", 50],
    [120, "{beats}/min", "Hz", 2],
    [1, "kW.h", "MJ", 3.6],
    [1, "10*3/ul", "/l", 1e9],
    [90, "deg", "rad", Math.PI / 2],
    [10, "[kn_i]", "km/h", 18.52],
    [1, "W/(m2.K)", "mW/cm2/K", 0.1],
  ])("%d %s in %3$s", (value, from, to, expected) => {
    expect(converted(value, from, to)).toBeCloseTo(expected, 10);
  });

  it.each([
    ["foo", "Cel", /"foo" is not known/u],
    ["%", "Cel", /"%" cannot be converted to the device type's "Cel"/u],
    ["Cel", "things", /"things" is none that "Cel" can be converted to/u],
    ["kW", "kvar", /cannot be converted/u],
    ["mol", "%", /cannot be converted/u],
    ["Cel2", "K2", /"Cel2" is not known/u],
    ["m".repeat(100), "m", /m…" is not known/u],
  ])("says why %s is no %s", (from, to, why) => {
    expect(converted(1, from, to)).toMatch(why);
  });

  it("is taken for what it is when the type writes the same, whatever that means", () => {
    expect(converted(7, "things", "things")).toBe(7);
  });
});

describe("the names of SenML", () => {
  // RFC 8428, section 12.1, and RFC 8798, section 2.
  const primary =
    "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2 cd/m2 " +
    "bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var vars J/m kg/m3 deg";

  it.each(primary.split(" "))("%s is a unit of UCUM's", (name) => {
    expect(parseUnit(ucumOfSenml(name))).toBeDefined();
  });

  // RFC 8798, section 3: a secondary unit, its primary unit, scale and offset.
  it.each([
    ["ms", "s", 1 / 1000, 0],
    ["min", "s", 60, 0],
    ["h", "s", 3600, 0],
    ["MHz", "Hz", 1_000_000, 0],
    ["kW", "W", 1000, 0],
    ["kVA", "VA", 1000, 0],
    ["kvar", "var", 1000, 0],
    ["Ah", "C", 3600, 0],
    ["Wh", "J", 3600, 0],
    ["kWh", "J", 3_600_000, 0],
    ["varh", "vars", 3600, 0],
    ["kvarh", "vars", 3_600_000, 0],
    ["kVAh", "VAs", 3_600_000, 0],
    ["Wh/km", "J/m", 3.6, 0],
    ["KiB", "B", 1024, 0],
    ["GB", "B", 1e9, 0],
    ["Mbit/s", "bit/s", 1_000_000, 0],
    ["B/s", "bit/s", 8, 0],
    ["MB/s", "bit/s", 8_000_000, 0],
    ["mV", "V", 1 / 1000, 0],
    ["mA", "A", 1 / 1000, 0],
    ["dBm", "dBW", 1, -30],
    ["ug/m3", "kg/m3", 1e-9, 0],
    ["mm/h", "m/s", 1 / 3_600_000, 0],
    ["m/h", "m/s", 1 / 3600, 0],
    ["ppm", "/", 1e-6, 0],
    ["/100", "/", 1 / 100, 0],
    ["/1000", "/", 1 / 1000, 0],
    ["hPa", "Pa", 100, 0],
    ["mm", "m", 1 / 1000, 0],
    ["cm", "m", 1 / 100, 0],
    ["km", "m", 1000, 0],
    ["km/h", "m/s", 1 / 3.6, 0],
  ])("%s is %s × %d + %d", (secondary, name, scale, offset) => {
    for (const value of [0, 1, -7.5, 1234]) {
      const got = converted(value, secondary, ucumOfSenml(name));
      // In the size of the scale: what is to be told apart are factors, and the smallest is 10⁻⁹.
      expect((Number(got) - offset) / scale).toBeCloseTo(value, 8);
    }
  });
});

describe("units that somebody made up", () => {
  it("are refused in words, and crash nothing", () => {
    const expression = fc.oneof(
      fc.string({ maxLength: 80 }),
      fc
        .array(
          fc.constantFrom(
            "m",
            "k",
            "Cel",
            "[degF]",
            "%",
            "/",
            ".",
            "(",
            ")",
            "{x}",
            "2",
            "-1",
            "10*3",
            "'",
            "__proto__",
          ),
          {
            maxLength: 20,
          },
        )
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(expression, expression, fc.double({ noNaN: true }), (from, to, value) => {
        expect(["number", "string"]).toContain(typeof outcome(value, from, to));
      }),
    );
  });

  it("convert there and back where they convert at all", () => {
    const known = fc.constantFrom("Cel", "K", "[degF]", "[degR]");
    fc.assert(
      fc.property(known, known, fc.integer({ min: -200, max: 2000 }), (from, to, value) => {
        expect(converted(Number(converted(value, from, to)), to, from)).toBeCloseTo(value, 8);
      }),
    );
  });
});
