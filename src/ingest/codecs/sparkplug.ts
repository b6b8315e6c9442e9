/**
 * Sparkplug B payloads (Sparkplug 3.0, chapter 6): the part of org.eclipse.tahu.protobuf's schema that carries single
 * values, with its field numbers. Data sets, templates, files, bytes and arrays are no metrics; they are named and left out.
 */
import protobuf from "protobufjs";
import type { Measurement } from "../measurement.js";
import { messageOf } from "../../platform/errors.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { fromLong } from "./integers.js";
import { metricNameOf } from "./metric-name.js";

const schema = `
  syntax = "proto2";
  package org.eclipse.tahu.protobuf;
  message Payload {
    message Metric {
      optional string name = 1;
      optional uint64 alias = 2;
      optional uint64 timestamp = 3;
      optional uint32 datatype = 4;
      optional bool is_historical = 5;
      optional bool is_transient = 6;
      optional bool is_null = 7;
      oneof value {
        uint32 int_value = 10;
        uint64 long_value = 11;
        float float_value = 12;
        double double_value = 13;
        bool boolean_value = 14;
        string string_value = 15;
      }
    }
    optional uint64 timestamp = 1;
    repeated Metric metrics = 2;
    optional uint64 seq = 3;
    optional string uuid = 4;
  }`;

const payloadType = protobuf.parse(schema, { keepCase: true }).root.lookupType("org.eclipse.tahu.protobuf.Payload");

interface WireMetric {
  readonly name?: string;
  readonly alias?: unknown;
  readonly timestamp?: unknown;
  readonly datatype?: number;
  readonly is_null?: boolean;
  readonly int_value?: number;
  readonly long_value?: unknown;
  readonly float_value?: number;
  readonly double_value?: number;
  readonly boolean_value?: boolean;
  readonly string_value?: string;
}

export interface SparkplugMetric {
  /** In births; in data where no alias was given. */
  readonly name: string | undefined;
  readonly alias: number | bigint | undefined;
  /** Ms since 1970. */
  readonly timestamp: number | bigint | undefined;
  readonly datatype: number | undefined;
  readonly isNull: boolean;
  readonly wire: WireMetric;
}

export interface SparkplugPayload {
  readonly timestamp: number | bigint | undefined;
  readonly seq: number | undefined;
  readonly metrics: readonly SparkplugMetric[];
}

/** Metrics of one payload. */
const MAX_METRICS = 10_000;

export function readSparkplug(payload: Uint8Array): SparkplugPayload | Refusal {
  let decoded: { readonly timestamp?: unknown; readonly metrics: readonly WireMetric[]; readonly seq?: unknown };
  try {
    decoded = payloadType.decode(payload) as unknown as typeof decoded;
  } catch (error) {
    return refusal("MALFORMED_PAYLOAD", `the payload is no Sparkplug B payload: ${messageOf(error)}`);
  }
  if (decoded.metrics.length > MAX_METRICS) {
    return refusal("LIMIT_EXCEEDED", `a Sparkplug payload has at most ${MAX_METRICS} metrics: send several`);
  }
  const { timestamp, seq } = {
    timestamp: longIn(decoded, "timestamp"),
    seq: longIn(decoded, "seq"),
  };
  return {
    timestamp,
    seq: seq === undefined ? undefined : Number(seq),
    metrics: decoded.metrics.map((wire) => ({
      name: Object.hasOwn(wire, "name") ? wire.name : undefined,
      alias: longIn(wire, "alias"),
      timestamp: longIn(wire, "timestamp"),
      datatype: Object.hasOwn(wire, "datatype") ? wire.datatype : undefined,
      isNull: wire.is_null === true,
      wire,
    })),
  };
}

function longIn(message: object, field: string): number | bigint | undefined {
  return Object.hasOwn(message, field) ? fromLong((message as Readonly<Record<string, unknown>>)[field]) : undefined;
}

/** Section 6.4.16, by number. */
const INTEGER_BITS: Readonly<Record<number, number>> = { 1: 8, 2: 16, 3: 32 };
const INT64 = 4;
const BOOLEAN = 11;

/** Whether values of the type can be a metric's: the numbers, truth values, texts, times and UUIDs. */
export function isScalar(datatype: number | undefined): boolean {
  return datatype === undefined || (datatype >= 1 && datatype <= 15);
}

/** The value as its datatype means it; `undefined` where there is none that could be a metric's. */
export function valueOf({ wire, isNull }: SparkplugMetric, datatype: number | undefined): unknown {
  if (isNull || !isScalar(datatype)) return undefined;
  if (Object.hasOwn(wire, "int_value")) {
    const value = wire.int_value ?? 0;
    if (datatype === BOOLEAN) return value !== 0;
    // Negative ones come as the two's complement of their own size (section 6.4.16).
    const bits = INTEGER_BITS[datatype ?? 0];
    return bits === undefined ? value : Number(BigInt.asIntN(bits, BigInt(value)));
  }
  if (Object.hasOwn(wire, "long_value")) {
    const { long_value: long } = wire;
    return fromLong(datatype === INT64 ? { ...(long as object), unsigned: false } : long);
  }
  for (const field of ["float_value", "double_value", "boolean_value", "string_value"] as const) {
    if (Object.hasOwn(wire, field)) return wire[field];
  }
  return undefined;
}

export interface TimedValue {
  readonly metric: string;
  readonly timestamp: number | bigint | undefined;
  readonly value: unknown;
}

/** Values by their times; a metric that comes twice with one time begins another reading set. */
export function measurementsOf(values: Iterable<TimedValue>, path: string): readonly Measurement[] {
  const open = new Map<number | bigint | undefined, Record<string, unknown>>();
  const sets: Measurement[] = [];
  for (const { metric, timestamp, value } of values) {
    let set = open.get(timestamp);
    if (set === undefined || Object.hasOwn(set, metric)) {
      set = {};
      open.set(timestamp, set);
      const measurement = { values: set, path, valuesPath: path };
      sets.push(timestamp === undefined ? measurement : { ...measurement, timestamp });
    }
    set[metric] = value;
  }
  return sets;
}

/** What stands in a payload that is no reading: commands' names, and the number of a birth and its death. */
export function isControl(name: string): boolean {
  return name === "bdSeq" || name.startsWith("Node Control/") || name.startsWith("Device Control/");
}

/** A payload outside a Sparkplug session, where nobody has told what an alias means: its metrics have names. */
export function decodeSparkplug(payload: Uint8Array): readonly Measurement[] | Refusal {
  const read = readSparkplug(payload);
  if ("code" in read) return read;
  const values: TimedValue[] = [];
  for (const [index, metric] of read.metrics.entries()) {
    const { name, datatype, timestamp = read.timestamp } = metric;
    if (name === undefined) {
      return refusal(
        "MALFORMED_PAYLOAD",
        `metrics[${index}]: has no name, and aliases mean something only on spBv1.0/… topics, after a birth`,
      );
    }
    const value = isControl(name) ? undefined : valueOf(metric, datatype);
    if (value !== undefined) values.push({ metric: metricNameOf(name), timestamp, value });
  }
  return measurementsOf(values, "metrics");
}

/** `Node Control/Rebirth` = true: asks an edge node to say everything anew (section 6.4.21 ff.). */
export function rebirthRequest(now: number): Uint8Array {
  return payloadType
    .encode(
      payloadType.create({
        timestamp: now,
        metrics: [{ name: "Node Control/Rebirth", timestamp: now, datatype: BOOLEAN, boolean_value: true }],
      }),
    )
    .finish();
}
