import { describe, expect, test } from "vitest";
import { decodeSparkplug, readSparkplug, rebirthRequest, valueOf } from "../../../src/ingest/codecs/sparkplug.js";
import { readSparkplugPayload, sparkplugPayload } from "./sparkplug-schema.js";

const TS = 1_486_144_502_122;

function valueIn(metric: object): unknown {
  const read = readSparkplug(sparkplugPayload({ timestamp: TS, seq: 1, metrics: [metric] }));
  if ("code" in read) throw new Error(read.message);
  const [one] = read.metrics;
  return one === undefined ? undefined : valueOf(one, one.datatype);
}

describe("Sparkplug 3.0, chapter 6", () => {
  test("a payload byte by byte: field 1 the time, 2 the metrics, 3 the sequence", () => {
    // timestamp 1486144502122; metric { name "My Metric", alias 1, timestamp, datatype 12 (String), string_value "Test" }; seq 2
    const hex =
      "08" +
      varint(TS) +
      "12" +
      "1c" +
      "0a094d79204d6574726963" +
      "1001" +
      "18" +
      varint(TS) +
      "200c" +
      "7a0454657374" +
      "1802";
    expect(readSparkplug(Buffer.from(hex, "hex"))).toMatchObject({
      timestamp: TS,
      seq: 2,
      metrics: [{ name: "My Metric", alias: 1, timestamp: TS, datatype: 12, isNull: false }],
    });
  });

  test.each([
    ["Int8", { datatype: 1, int_value: 0xf6 }, -10],
    ["Int8, sign-extended", { datatype: 1, int_value: 0xfffffff6 }, -10],
    ["Int16", { datatype: 2, int_value: 0xfff6 }, -10],
    ["Int32", { datatype: 3, int_value: 0xfffffff6 }, -10],
    ["Int64", { datatype: 4, long_value: "18446744073709551606" }, -10],
    ["UInt8", { datatype: 5, int_value: 246 }, 246],
    ["UInt32", { datatype: 7, int_value: 4_294_967_295 }, 4_294_967_295],
    ["UInt32 in the longer field", { datatype: 7, long_value: 4_294_967_295 }, 4_294_967_295],
    ["UInt64", { datatype: 8, long_value: "18446744073709551615" }, 18_446_744_073_709_551_615n],
    ["Float", { datatype: 9, float_value: 1.5 }, 1.5],
    ["Double", { datatype: 10, double_value: 21.1 }, 21.1],
    ["Boolean", { datatype: 11, boolean_value: true }, true],
    ["Boolean, false", { datatype: 11, boolean_value: false }, false],
    ["String", { datatype: 12, string_value: "Test" }, "Test"],
    ["DateTime", { datatype: 13, long_value: TS }, TS],
    ["UUID", { datatype: 15, string_value: "6f2b1d0e" }, "6f2b1d0e"],
    ["null", { datatype: 3, is_null: true }, undefined],
    ["a data set", { datatype: 16, dataset_value: { num_of_columns: 1, columns: ["a"], types: [3] } }, undefined],
    ["bytes", { datatype: 17, bytes_value: Buffer.from("x") }, undefined],
  ])("%s", (_what, metric, value) => {
    expect(valueIn({ name: "a", ...metric })).toBe(value);
  });

  test("outside a session, metrics are known by their names, and gathered by their times", () => {
    const payload = sparkplugPayload({
      timestamp: TS,
      metrics: [
        { name: "bdSeq", datatype: 8, long_value: 0 },
        { name: "Inputs/A", datatype: 11, boolean_value: true },
        {
          name: "Pump 1/Speed",
          datatype: 3,
          int_value: 5,
          properties: { keys: ["engUnit"], values: [{ type: 12, string_value: "rpm" }] },
        },
        { name: "Inputs/A", timestamp: TS - 1_000, is_historical: true, datatype: 11, boolean_value: false },
        { name: "Node Control/Rebirth", datatype: 11, boolean_value: false },
      ],
    });
    expect(decodeSparkplug(payload)).toEqual([
      { timestamp: TS, values: { "Inputs.A": true, "Pump_1.Speed": 5 }, path: "metrics", valuesPath: "metrics" },
      { timestamp: TS - 1_000, values: { "Inputs.A": false }, path: "metrics", valuesPath: "metrics" },
    ]);
    expect(decodeSparkplug(sparkplugPayload({ metrics: [{ alias: 7, int_value: 1 }] }))).toMatchObject({
      code: "MALFORMED_PAYLOAD",
      message: expect.stringMatching(/^metrics\[0\]: has no name/u) as unknown,
    });
  });

  test("what is no payload is refused", () => {
    expect(readSparkplug(Buffer.from("{}"))).toMatchObject({ code: "MALFORMED_PAYLOAD" });
  });

  test("a rebirth is asked for as the specification has it", () => {
    expect(readSparkplugPayload(rebirthRequest(TS))).toEqual({
      timestamp: TS,
      metrics: [{ name: "Node Control/Rebirth", timestamp: TS, datatype: 11, boolean_value: true }],
    });
  });
});

function varint(value: number): string {
  const bytes: number[] = [];
  let left = BigInt(value);
  while (left >= 0x80n) {
    bytes.push(Number(left & 0x7fn) | 0x80);
    left >>= 7n;
  }
  return Buffer.from([...bytes, Number(left)]).toString("hex");
}
