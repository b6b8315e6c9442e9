/** The same reading of three metrics in each format. */
import { encode } from "cborg";
import protobuf from "protobufjs";
import type { Format } from "../../src/ingest/codecs/format.js";

export const PROTOBUF = {
  schema: `syntax = "proto3";
    message Reading { int64 ts = 1; double temperature = 2; double humidity = 3; double vibration = 4; }`,
  message: "Reading",
} as const;

const readingType = protobuf.parse(PROTOBUF.schema, { keepCase: true }).root.lookupType(PROTOBUF.message);
const sparkplugType = protobuf
  .parse(
    `syntax = "proto2";
    message Metric { optional string name = 1; optional uint64 timestamp = 3; optional uint32 datatype = 4; optional double double_value = 13; }
    message Payload { optional uint64 timestamp = 1; repeated Metric metrics = 2; optional uint64 seq = 3; }`,
    { keepCase: true },
  )
  .root.lookupType("Payload");

interface Sample {
  readonly ts: number;
  readonly values: Readonly<Record<string, number>>;
}

function senml({ ts, values }: Sample): readonly object[] {
  return Object.entries(values).map(([n, v], index) => (index === 0 ? { bt: ts / 1_000, n, v } : { n, v }));
}

const LABELS: Readonly<Record<string, number>> = { bt: -3, n: 0, v: 2 };

function write(type: protobuf.Type, content: object): Buffer {
  return Buffer.from(type.encode(type.fromObject(content)).finish());
}

export const writers: Readonly<Record<Format, (sample: Sample) => Buffer>> = {
  json: (sample) => Buffer.from(JSON.stringify(sample)),
  thingsboard: (sample) => Buffer.from(JSON.stringify(sample)),
  cbor: (sample) => Buffer.from(encode(sample)),
  "senml+json": (sample) => Buffer.from(JSON.stringify(senml(sample))),
  "senml+cbor": (sample) =>
    Buffer.from(
      encode(
        senml(sample).map((record) => new Map(Object.entries(record).map(([name, value]) => [LABELS[name], value]))),
      ),
    ),
  protobuf: ({ ts, values }) => write(readingType, { ts, ...values }),
  sparkplug: ({ ts, values }) =>
    write(sparkplugType, {
      timestamp: ts,
      metrics: Object.entries(values).map(([name, value]) => ({ name, datatype: 10, double_value: value })),
    }),
};

/** `count` readings, a second apart, the last one now. */
export function samples(count: number): readonly Sample[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, index) => ({
    ts: now - (count - 1 - index) * 1_000,
    values: {
      temperature: 20 + ((index * 37) % 100) / 10,
      humidity: 40 + ((index * 53) % 200) / 10,
      vibration: ((index * 71) % 100) / 100,
    },
  }));
}
