import { describe, expect, test } from "vitest";
import {
  decodeGatewayAttributes,
  decodeGatewayTelemetry,
  decodeThingsBoard,
} from "../../../src/ingest/codecs/thingsboard.js";

const TS = 1_451_649_600_512;

function decode(value: unknown): unknown {
  return decodeThingsBoard(Buffer.from(JSON.stringify(value)));
}

describe("ThingsBoard, Telemetry upload API", () => {
  test("key-value pairs, an object or an array of them", () => {
    expect(decode({ key1: "value1", key2: true, key3: 3 })).toMatchObject([
      { values: { key1: "value1", key2: true, key3: 3 }, path: "" },
    ]);
    expect(decode([{ key1: "value1" }, { key2: true }])).toMatchObject([
      { values: { key1: "value1" }, path: "readings[0]" },
      { values: { key2: true }, path: "readings[1]" },
    ]);
  });

  test("with timestamps, and both mixed", () => {
    expect(decode({ ts: TS, values: { key1: "value1", key2: "value2" } })).toEqual([
      { timestamp: TS, values: { key1: "value1", key2: "value2" }, path: "", valuesPath: "values" },
    ]);
    expect(decode([{ ts: TS, values: { a: 1 } }, { b: 2 }])).toMatchObject([
      { timestamp: TS, values: { a: 1 }, valuesPath: "readings[0].values" },
      { values: { b: 2 } },
    ]);
  });

  test("ts alone is a metric like others", () => {
    expect(decode({ ts: 5, a: 1 })).toMatchObject([{ values: { ts: 5, a: 1 } }]);
  });

  test.each([
    ["a number", 1, /the payload: expected/u],
    ["an array of numbers", [1], /^readings\[0\]: expected/u],
    ["values that are none", { ts: TS, values: 5 }, /^values: expected an object of metrics, got 5/u],
  ])("%s is refused with the place", (_what, value, message) => {
    expect(decode(value)).toEqual({ code: "MALFORMED_PAYLOAD", message: expect.stringMatching(message) as unknown });
  });
});

describe("ThingsBoard, Gateway MQTT API", () => {
  test("telemetry of several devices; one that cannot be read is refused alone", () => {
    const message = {
      "Device A": [
        { ts: 1_483_228_800_000, values: { temperature: 42, humidity: 80 } },
        { ts: 1_483_228_801_000, values: { temperature: 43 } },
      ],
      "Device B": [{ ts: 1_483_228_800_000, values: { temperature: 42 } }],
      code: "what?",
    };
    expect(decodeGatewayTelemetry(Buffer.from(JSON.stringify(message)))).toEqual([
      {
        name: "Device A",
        content: [
          {
            timestamp: 1_483_228_800_000,
            values: { temperature: 42, humidity: 80 },
            path: '"Device A"[0]',
            valuesPath: '"Device A"[0].values',
          },
          {
            timestamp: 1_483_228_801_000,
            values: { temperature: 43 },
            path: '"Device A"[1]',
            valuesPath: '"Device A"[1].values',
          },
        ],
      },
      {
        name: "Device B",
        content: [
          {
            timestamp: 1_483_228_800_000,
            values: { temperature: 42 },
            path: '"Device B"[0]',
            valuesPath: '"Device B"[0].values',
          },
        ],
      },
      {
        name: "code",
        content: { code: "MALFORMED_PAYLOAD", message: expect.stringMatching(/^"code": expected/u) as unknown },
      },
    ]);
  });

  test("attributes of several devices, even where one is called as a refusal is made", () => {
    const message = { "Device A": { code: "x", message: "y" }, "Device B": 7 };
    expect(decodeGatewayAttributes(Buffer.from(JSON.stringify(message)))).toMatchObject([
      { name: "Device A", content: { ok: true, value: { code: "x", message: "y" } } },
      { name: "Device B", content: { ok: false, refusal: { code: "MALFORMED_PAYLOAD" } } },
    ]);
  });

  test("nothing, and too much", () => {
    expect(decodeGatewayTelemetry(Buffer.from("{}"))).toMatchObject({
      message: expect.stringContaining("names no device") as unknown,
    });
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`d${index}`, []]));
    expect(decodeGatewayTelemetry(Buffer.from(JSON.stringify(many)))).toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});
