import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { decodeProtobuf, validateProtobufCodec } from "../../../src/ingest/codecs/protobuf.js";

function decode(hex: string, schema: string, message: string): unknown {
  return decodeProtobuf(Buffer.from(hex, "hex"), { schema, message });
}

describe("protobuf.dev, Encoding", () => {
  const schema = `syntax = "proto3";
    message Test1 { optional int32 a = 1; }
    message Test2 { optional string b = 2; }
    message Test3 { optional Test1 c = 3; }
    message Test4 { optional sint32 a = 1; optional sint64 b = 2; optional bool on = 3; optional double d = 4; }`;

  test.each([
    ["a simple message: 150", "089601", "Test1", { a: 150 }],
    ["a negative int32 takes ten bytes", "08feffffffffffffffff01", "Test1", { a: -2 }],
    ["a string", "120774657374696e67", "Test2", { b: "testing" }],
    ["a message within a message", "1a03089601", "Test3", { "c.a": 150 }],
    ["ZigZag: -1 is 1", "0801", "Test4", { a: -1 }],
    ["ZigZag: 0x7fffffff is 0xfffffffe", "08feffffff0f", "Test4", { a: 2_147_483_647 }],
    ["64 bits, a bool and a double", "100f180121000000000000f83f", "Test4", { b: -8, on: true, d: 1.5 }],
    ["the last value wins", "080108029801010896 01".replaceAll(" ", ""), "Test1", { a: 150 }],
  ])("%s", (_what, hex, message, values) => {
    expect(decode(hex, schema, message)).toEqual([{ values, path: "", valuesPath: "" }]);
  });
});

const climate = `syntax = "proto3";
  package acme.climate;
  import "google/protobuf/timestamp.proto";
  enum State { UNKNOWN = 0; RUNNING = 1; }
  message Position { double lat = 1; double lon = 2; }
  message Reading {
    int64 ts = 1;
    double temperature = 2;
    optional float humidity = 3;
    State state = 4;
    Position position = 5;
    uint64 pulses = 6;
    reserved 7;
  }
  message Batch { int64 ts = 1; repeated Reading readings = 2; }
  message Stamped { google.protobuf.Timestamp timestamp = 1; double a = 2; }`;

const { root } = protobuf.parse(climate, { keepCase: true });
root.addJSON(protobuf.common.get("google/protobuf/timestamp.proto")?.nested ?? {});

/** As another implementation of the same schema writes it. */
function written(message: string, content: object): Buffer {
  const type = root.lookupType(message);
  return Buffer.from(type.encode(type.fromObject(content)).finish());
}

function readClimate(message: string, content: object): unknown {
  return decodeProtobuf(written(message, content), { schema: climate, message: `acme.climate.${message}` });
}

describe("a device type's schema", () => {
  test("fields are metrics by name, ts is the time, a missing field that cannot say so is its default", () => {
    const content = { ts: 1_767_225_600_000, humidity: 40.5, state: "RUNNING", position: { lat: 52.5, lon: 13.4 } };
    expect(readClimate("Reading", content)).toEqual([
      {
        timestamp: 1_767_225_600_000,
        values: {
          temperature: 0,
          humidity: 40.5,
          state: "RUNNING",
          "position.lat": 52.5,
          "position.lon": 13.4,
          pulses: 0,
        },
        path: "",
        valuesPath: "",
      },
    ]);
  });

  test("a repeated message `readings` holds many; the time beside them is for those without one", () => {
    const readings = [{ ts: 1_767_225_600_000, temperature: 1 }, { temperature: 2 }];
    expect(readClimate("Batch", { ts: 1_767_225_700_000, readings })).toMatchObject([
      { timestamp: 1_767_225_600_000, values: { temperature: 1 }, path: "readings[0]" },
      { timestamp: 1_767_225_700_000, values: { temperature: 2 }, path: "readings[1]" },
    ]);
    expect(readClimate("Batch", {})).toMatchObject({ message: expect.stringContaining("no readings") as unknown });
  });

  test("a time may be Google's", () => {
    const timestamp = { seconds: 1_767_225_600, nanos: 250_000_000 };
    expect(readClimate("Stamped", { timestamp, a: 1 })).toMatchObject([{ timestamp: 1_767_225_600_250 }]);
  });

  test("an integer beyond 2^53 is left for the pipeline to refuse", () => {
    const [set] = readClimate("Reading", { pulses: "18446744073709551615" }) as readonly { readonly values: object }[];
    expect(set?.values).toMatchObject({ pulses: 18_446_744_073_709_551_615n });
  });

  test("unknown fields are passed over", () => {
    expect(decode("0896011a0161", 'syntax = "proto3"; message M { int32 a = 1; }', "M")).toMatchObject([
      { values: { a: 150 } },
    ]);
  });

  test.each([["0a"], ["08"], ["ffffffffffffffffffff"], ["0b".repeat(5_000)], ["1a7f00"]])(
    "the payload %s is refused, not thrown at",
    (hex) => {
      expect(decodeProtobuf(Buffer.from(hex, "hex"), { schema: climate, message: "Position" })).toMatchObject({
        code: "MALFORMED_PAYLOAD",
        message: expect.stringContaining("is no Position in Protobuf") as unknown,
      });
    },
  );
});

function proto3(text: string): string {
  return `syntax = "proto3"; ${text}`;
}

describe("a schema is refused when the type is defined", () => {
  test.each([
    ["no .proto text", "message", "M", /cannot be read/u],
    ["no such message", proto3("message A { int32 a = 1; }"), "M", /no message "M"/u],
    ["an enum in its place", proto3("enum M { A = 0; }"), "M", /no message "M"/u],
    ["imports", proto3('import "other.proto"; message M { int32 a = 1; }'), "M", /imports "other.proto"/u],
    ["a type that is not there", proto3("message M { Other a = 1; }"), "M", /cannot be read.*Other/u],
    ["no metrics", proto3("message M { int64 ts = 1; }"), "M", /no field that could be a metric/u],
    ["a list", proto3("message M { repeated int32 a = 1; }"), "M", /M\.a is repeated/u],
    ["a map", proto3("message M { map<string, int32> a = 1; }"), "M", /M\.a is a map/u],
    ["bytes", proto3("message M { bytes a = 1; }"), "M", /M\.a is of bytes/u],
    ["a message in itself", proto3("message M { M a = 1; }"), "M", /M\.a is nested/u],
    ["a time of the wrong type", proto3("message M { string ts = 1; int32 a = 2; }"), "M", /M\.ts is the time/u],
    [
      "metrics beside readings",
      proto3("message R { int32 a = 1; } message M { int32 b = 1; repeated R readings = 2; }"),
      "M",
      /M\.b stands beside/u,
    ],
    ["readings that are none", proto3("message M { int32 readings = 1; }"), "M", /M\.readings is not a repeated/u],
    ["a name that is no metric's", proto3("message M { int32 time = 1; }"), "M", /M\.time: time is no name/u],
    ["too much text", proto3(`// ${"x".repeat(70_000)}`), "M", /more than 65536 bytes/u],
    [
      "too many fields",
      proto3(`message M { ${Array.from({ length: 300 }, (_, i) => `int32 f${i} = ${i + 1};`).join("")} }`),
      "M",
      /more than 256 fields/u,
    ],
  ])("%s", (_what, schema, message, problem) => {
    expect(validateProtobufCodec(schema, message)).toMatch(problem);
  });

  test("a good one is taken", () => {
    expect(validateProtobufCodec(climate, "acme.climate.Batch")).toBeUndefined();
    expect(validateProtobufCodec(climate, "Reading")).toBeUndefined();
  });
});
