import { encode } from "cborg";
import { describe, expect, test } from "vitest";
import type { Measurement } from "../../../src/ingest/measurement.js";
import { decodeSenmlCbor, decodeSenmlJson } from "../../../src/ingest/codecs/senml.js";

const NOW = 1_767_225_600_000;

function read(pack: unknown): readonly Measurement[] {
  const outcome = decodeSenmlJson(Buffer.from(JSON.stringify(pack)), NOW);
  if ("code" in outcome) throw new Error(outcome.message);
  return outcome;
}

function refusalOf(pack: unknown): unknown {
  return decodeSenmlJson(Buffer.from(JSON.stringify(pack)), NOW);
}

describe("RFC 8428, section 5", () => {
  test("5.1.1, a single datapoint: a record without a name of its own is called after its unit", () => {
    expect(read([{ n: "urn:dev:ow:10e2073a01080063", u: "Cel", v: 23.1 }])).toEqual([
      { values: { temperature: 23.1 }, units: { temperature: "Cel" }, path: "records[0]", valuesPath: "records[0]" },
    ]);
  });

  test("5.1.2, several datapoints of one time", () => {
    const pack = [
      { n: "urn:dev:ow:10e2073a01080063:voltage", u: "V", v: 120.1 },
      { n: "urn:dev:ow:10e2073a01080063:current", u: "A", v: 1.2 },
    ];
    expect(read(pack)).toEqual([
      {
        values: { voltage: 120.1, current: 1.2 },
        units: { voltage: "V", current: "A" },
        path: "records[0..1]",
        valuesPath: "records[0..1]",
      },
    ]);
  });

  const withBase = [
    {
      bn: "urn:dev:ow:10e2073a0108006:",
      bt: 1.276020076001e9,
      bu: "A",
      bver: 5,
      n: "voltage",
      u: "V",
      v: 120.1,
    },
    { n: "current", t: -5, v: 1.2 },
    { n: "current", t: -4, v: 1.3 },
    { n: "current", t: -3, v: 1.4 },
    { n: "current", t: -2, v: 1.5 },
    { n: "current", t: -1, v: 1.6 },
    { n: "current", v: 1.7 },
  ];
  const resolved = [
    [1_276_020_076_001, { voltage: 120.1, current: 1.7 }],
    [1_276_020_071_001, { current: 1.2 }],
    [1_276_020_072_001, { current: 1.3 }],
    [1_276_020_073_001, { current: 1.4 }],
    [1_276_020_074_001, { current: 1.5 }],
    [1_276_020_075_001, { current: 1.6 }],
  ];

  test("5.1.2, base fields and times", () => {
    expect(read(withBase).map(({ timestamp, values }) => [timestamp, values])).toEqual(resolved);
    expect(read(withBase)[0]?.units).toEqual({ voltage: "V", current: "A" });
  });

  test("6, the same in CBOR, byte by byte as the specification has it", () => {
    const hex = `87a721781b75726e3a6465763a6f773a
      3130653230373361303130383030363a
      22fb41d303a15b001062236141200500
      67766f6c7461676501615602fb405e06
      6666666666a3006763757272656e7406
      2402fb3ff3333333333333a300676375
      7272656e74062302fb3ff4cccccccccc
      cda3006763757272656e74062202fb3f
      f6666666666666a3006763757272656e
      74062102f93e00a3006763757272656e
      74062002fb3ff999999999999aa30067
      63757272656e74060002fb3ffb333333
      333333`;
    const outcome = decodeSenmlCbor(Buffer.from(hex.replace(/\s/gu, ""), "hex"), NOW);
    expect((outcome as readonly Measurement[]).map(({ timestamp, values }) => [timestamp, values])).toEqual(resolved);
  });

  test("5.1.3, several measurements whose names are their units alone", () => {
    const pack = [
      { bn: "urn:dev:ow:10e2073a01080063", bt: 1.320067464e9, bu: "%RH", v: 20 },
      { u: "lon", v: 24.30621 },
      { u: "lat", v: 60.07965 },
      { t: 60, v: 20.3 },
      { u: "lon", t: 60, v: 24.30622 },
      { u: "lat", t: 60, v: 60.07965 },
      { u: "%EL", t: 150, v: 98 },
    ];
    expect(read(pack).map(({ timestamp, values }) => [timestamp, values])).toEqual([
      [1_320_067_464_000, { humidity: 20, longitude: 24.30621, latitude: 60.07965 }],
      [1_320_067_524_000, { humidity: 20.3, longitude: 24.30622, latitude: 60.07965 }],
      [1_320_067_614_000, { battery: 98 }],
    ]);
  });

  test("5.1.5, several data types", () => {
    const pack = [
      { bn: "urn:dev:ow:10e2073a01080063:", n: "temp", u: "Cel", v: 23.1 },
      { n: "label", vs: "Machine Room" },
      { n: "open", vb: false },
      { n: "nfc-reader", vd: "aGkgCg" },
    ];
    expect(read(pack)[0]?.values).toEqual({ temp: 23.1, label: "Machine Room", open: false, "nfc-reader": "aGkgCg" });
  });

  test("5.1.6, a pack of two devices is refused: who has logged in speaks", () => {
    const pack = [
      { bn: "2001:db8::2/", bt: 1.320078429e9, n: "temperature", u: "Cel", v: 25.2 },
      { n: "humidity", u: "%RH", v: 30 },
      { bn: "2001:db8::1/", n: "temperature", u: "Cel", v: 12.3 },
      { n: "humidity", u: "%RH", v: 67 },
    ];
    expect(refusalOf(pack)).toMatchObject({
      message: expect.stringMatching(/^records\[2\]\.bn: a pack is of one/u) as unknown,
    });
    expect(read(pack.slice(0, 2))[0]?.values).toEqual({ temperature: 25.2, humidity: 30 });
  });
});

describe("SenML", () => {
  test("times below 2^28 are relative to now, 0 is now", () => {
    const sets = read([
      { n: "a", v: 1, t: -30 },
      { n: "a", v: 2 },
      { n: "a", v: 3, t: 2 ** 28 },
    ]);
    expect(sets.map(({ timestamp }) => timestamp)).toEqual([NOW - 30_000, undefined, 2 ** 28 * 1_000]);
  });

  test("base value and base sum are added; a sum is a metric beside its value", () => {
    expect(read([{ bn: "x/", bv: 100, bs: 7, n: "a", v: 5, s: 1 }])[0]?.values).toEqual({ a: 105, "a.sum": 8 });
  });

  test("a metric that comes twice with one time begins another reading set", () => {
    expect(
      read([
        { n: "a", v: 1 },
        { n: "a", v: 2 },
      ]).map(({ values }) => values),
    ).toEqual([{ a: 1 }, { a: 2 }]);
  });

  test("names become metric names", () => {
    const names = read([
      { n: "3303/0/5700", v: 1 },
      { n: "a b", v: 2 },
      { n: "time", v: 3 },
      { n: "__proto__", v: 4 },
    ]);
    expect(Object.keys(names[0]?.values ?? {})).toEqual(["_3303.0.5700", "a_b", "_time_", "___proto___"]);
  });

  test("data is base64 in CBOR, too, and numbers may be decimal fractions", () => {
    const data = decodeSenmlCbor(
      encode([
        new Map<number, unknown>([
          [0, "d"],
          [8, Buffer.from("hi \n")],
        ]),
      ]),
      NOW,
    );
    expect(data).toMatchObject([{ values: { d: "aGkgCg" } }]);
    const fraction = decodeSenmlCbor(Buffer.from("81a200616102c48221196ab3", "hex"), NOW);
    expect(fraction).toMatchObject([{ values: { a: 273.15 } }]);
  });

  test.each([
    ["no array", { n: "a", v: 1 }, /expected a SenML pack/u],
    ["no records", [], /no record with a value/u],
    ["a record that is none", [1], /^records\[0\]: expected/u],
    ["a value of the wrong type", [{ n: "a", v: "1" }], /^records\[0\]\.v: expected a number, got "1"/u],
    ["a truth value of the wrong type", [{ n: "a", vb: 1 }], /^records\[0\]\.vb: expected a boolean/u],
    ["a later version", [{ bver: 11, n: "a", v: 1 }], /^records\[0\]\.bver: expected a version up to 10/u],
    ["a field that must be understood", [{ n: "a", v: 1, x_: 1 }], /"x_" must be understood/u],
  ])("%s is refused with the place", (_what, pack, message) => {
    expect(refusalOf(pack)).toEqual({ code: "MALFORMED_PAYLOAD", message: expect.stringMatching(message) as unknown });
  });
});
