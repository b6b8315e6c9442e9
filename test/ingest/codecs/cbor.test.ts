import { encode } from "cborg";
import { describe, expect, test } from "vitest";
import { readCbor } from "../../../src/ingest/codecs/cbor-data.js";
import { decodeCbor } from "../../../src/ingest/codecs/cbor.js";

describe("RFC 8949, appendix A", () => {
  test.each([
    ["00", 0],
    ["17", 23],
    ["1818", 24],
    ["1903e8", 1_000],
    ["1a000f4240", 1_000_000],
    ["1b000000e8d4a51000", 1_000_000_000_000],
    ["1bffffffffffffffff", 18_446_744_073_709_551_615n],
    ["c249010000000000000000", 18_446_744_073_709_551_616n],
    ["3bffffffffffffffff", -18_446_744_073_709_551_616n],
    ["c349010000000000000000", -18_446_744_073_709_551_617n],
    ["20", -1],
    ["3903e7", -1_000],
    ["f90000", 0],
    ["f93c00", 1],
    ["fb3ff199999999999a", 1.1],
    ["f93e00", 1.5],
    ["f97bff", 65_504],
    ["fa47c35000", 100_000],
    ["fb7e37e43c8800759c", 1e300],
    ["f90001", 5.960464477539063e-8],
    ["f90400", 0.00006103515625],
    ["f9c400", -4],
    ["fbc010666666666666", -4.1],
    ["f97c00", Number.POSITIVE_INFINITY],
    ["f97e00", Number.NaN],
    ["f4", false],
    ["f5", true],
    ["f6", null],
    ["f7", undefined],
    ["c074323031332d30332d32315432303a30343a30305a", Date.UTC(2013, 2, 21, 20, 4, 0)],
    ["c11a514b67b0", 1_363_896_240_000],
    ["c1fb41d452d9ec200000", 1_363_896_240_500],
    ["60", ""],
    ["6449455446", "IETF"],
    ["62c3bc", "ü"],
    ["64f0908591", "𐅑"],
    ["80", []],
    ["83010203", [1, 2, 3]],
    ["8301820203820405", [1, [2, 3], [4, 5]]],
    ["a0", {}],
    ["a26161016162820203", { a: 1, b: [2, 3] }],
    ["826161a161626163", ["a", { b: "c" }]],
    ["9fff", []],
    ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
    ["83018202039f0405ff", [1, [2, 3], [4, 5]]],
    ["bf61610161629f0203ffff", { a: 1, b: [2, 3] }],
    ["bf6346756ef563416d7421ff", { Fun: true, Amt: -2 }],
  ])("%s", (hex, value) => {
    expect(readCbor(Buffer.from(hex, "hex"))).toEqual({ ok: true, value });
  });

  test("a decimal fraction (3.4.4) is the number that its decimal notation is", () => {
    expect(readCbor(Buffer.from("c48221196ab3", "hex"))).toEqual({ ok: true, value: 273.15 });
    expect(readCbor(Buffer.from("c5822003", "hex"))).toEqual({ ok: true, value: 1.5 });
  });

  test("self-described CBOR (3.4.6) is what it describes", () => {
    expect(readCbor(Buffer.from("d9d9f7a1616101", "hex"))).toEqual({ ok: true, value: { a: 1 } });
  });
});

describe("reading sets", () => {
  test("have the forms of JSON", () => {
    const sets = [{ ts: 1_767_225_600_000, values: { temperature: 21.5, on: true } }, { state: "running" }];
    expect(decodeCbor(encode(sets))).toEqual([
      {
        timestamp: 1_767_225_600_000,
        values: { temperature: 21.5, on: true },
        path: "readings[0]",
        valuesPath: "readings[0].values",
      },
      { values: { state: "running" }, path: "readings[1]", valuesPath: "readings[1]" },
    ]);
  });

  test("a time may be one of CBOR's own", () => {
    const [set] = decodeCbor(Buffer.from("a2627473c11a514b67b06676616c756573a1616101", "hex")) as readonly unknown[];
    expect(set).toMatchObject({ timestamp: 1_363_896_240_000, values: { a: 1 } });
  });

  test.each([
    ["nothing", "", /empty/u],
    ["half of it", "a26161", /not CBOR/u],
    ["more than it", "a161610101", /not CBOR/u],
    ["a key that is no text", "a10102", /not CBOR/u],
    ["a key that comes twice", "a2616101616102", /not CBOR/u],
    ["a reserved head", "1c", /not CBOR/u],
    ["a length beyond the payload", "9bffffffffffffffff01", /not CBOR/u],
    ["an unknown tag", "d82501", /not CBOR/u],
    ["a million arrays", "81".repeat(100_000), /deeper than 16/u],
    ["a million tags", "c1".repeat(100_000), /deeper than 16/u],
    ["a million open arrays", "9f".repeat(100_000), /deeper than 16/u],
    ["a text", "6161", /the payload: expected/u],
  ])("%s is refused with the reason", (_what, hex, message) => {
    expect(decodeCbor(Buffer.from(hex, "hex"))).toEqual({
      code: "MALFORMED_PAYLOAD",
      message: expect.stringMatching(message) as unknown,
    });
  });

  test("__proto__ is a name like others, and nobody's prototype", () => {
    const [set] = decodeCbor(Buffer.from("a1695f5f70726f746f5f5fa1616101", "hex")) as readonly {
      readonly values: object;
    }[];
    expect(Object.keys(set?.values ?? {})).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(set?.values)).toBe(Object.prototype);
  });
});
