import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import type { MetricDefinition } from "../../src/domain/device-type/index.js";
import { decodeJson } from "../../src/ingest/codecs/json.js";
import type { DeviceAccess } from "../../src/ingest/registry/device-access.js";
import { FrameEncoder, openFrame } from "../../src/ingest/frames/frame.js";
import { readTelemetry } from "../../src/ingest/pipeline/telemetry.js";
import { createConversions } from "../../src/ingest/pipeline/units/convert.js";
import { createPlainPath } from "../../src/ingest/plain/plain-path.js";
import type { Reading } from "../../src/ingest/reading.js";

const now = 1_790_000_000_123;
const bounds = { maxAgeMs: 366 * 86_400_000, conversions: createConversions() };

function accessOf(definitions?: readonly MetricDefinition[], more: Partial<DeviceAccess> = {}): DeviceAccess {
  return {
    tenantId: tenantId("acme"),
    deviceId: deviceId("press-1"),
    deviceType: deviceTypeId("press"),
    status: "ACTIVE",
    credentials: [],
    configuration: { version: 0, config: {} },
    type: {
      metrics: definitions === undefined ? undefined : new Map(definitions.map((metric) => [metric.name, metric])),
    },
    revision: 0,
    ...more,
  };
}

/** What the ordinary way makes of a payload: one reading, or nothing. */
function ordinary(access: DeviceAccess, payload: string): Reading | undefined {
  const measurements = decodeJson(Buffer.from(payload));
  if ("code" in measurements) return undefined;
  const readings = readTelemetry(access, measurements, now, bounds);
  return "code" in readings || readings.length !== 1 ? undefined : readings[0];
}

/** What the short way makes of it, after it has learnt from `before`: the bytes of a frame with one line, or nothing. */
function short(access: DeviceAccess, before: readonly string[], payload: string): Buffer | undefined {
  const plain = createPlainPath(bounds);
  for (const known of before) {
    const reading = ordinary(access, known);
    if (reading !== undefined) plain.learn(access, Buffer.from(known), undefined, reading);
  }
  const around = Buffer.from(`xx${payload}yy`);
  const shape = plain.find(access, around, 2, around.length - 2, now);
  if (shape === undefined) return undefined;
  const frame = new FrameEncoder();
  plain.write(access, shape, around, around.length - 4, now, frame);
  return frame.take();
}

function frameOf(reading: Reading | undefined): Buffer {
  const frame = new FrameEncoder();
  if (reading !== undefined) frame.add(reading);
  return frame.take();
}

const json = (values: string, ts: number = now - 1): string => `{"ts":${ts},"values":{${values}}}`;

describe("a message of a known shape", () => {
  test.each([
    ['"temperature":21.5,"humidity":40', '"temperature":-3.25,"humidity":41'],
    ['"b":1,"a":2', '"b":10.50,"a":100'],
    ['"a":1', '"a":0.000001'],
    ['"a":1', '"a":123456789012345'],
    ['"a":1', '"a":0'],
    ['"device_id":1,"time.s":2', '"device_id":7,"time.s":8'],
    [' "a" : 1 ,\n "b":2 ', ' "a" : 3 ,\n "b":4.0 '],
  ])("of %s, %s takes the short way", (before, after) => {
    const access = accessOf(undefined, { site: "hall 1, left" });
    expect(short(access, [json(before)], json(after))).toEqual(frameOf(ordinary(access, json(after))));
  });

  test("without a time of its own it bears that of its arrival", () => {
    const taken = short(accessOf(), ['{"temperature":21.5}'], '{"temperature":22}');
    expect(taken === undefined ? undefined : openFrame(taken).timestampOf(0)).toBe(now);
  });

  test.each([
    ["a number with an exponent", '"a":1e3'],
    ["a number below a millionth", '"a":0.0000001'],
    ["a negative zero", '"a":-0'],
    ["a leading zero", '"a":01'],
    ["a point without digits", '"a":1.'],
    ["more digits than a number holds", '"a":1234567890.1234567'],
    ["a string", '"a":"1"'],
    ["another metric", '"b":1'],
    ["one metric more", '"a":1,"b":1'],
    ["a metric twice", '"a":1,"a":2'],
    ["nothing", ""],
  ])("%s goes the ordinary way", (_, values) => {
    expect(short(accessOf(), [json('"a":1')], json(values))).toBeUndefined();
  });

  test.each([
    ["beyond the type's bounds", accessOf([{ name: "a", kind: "number", min: 0, max: 10 }]), json('"a":11')],
    ["late", accessOf(), json('"a":1', now - 600_000)],
    ["ahead of us", accessOf(), json('"a":1', now + 60_000)],
    ["of a calibrated device", accessOf(undefined, { calibration: { a: { offset: 1, scale: 1 } } }), json('"a":1')],
    ["of a type that doubts", accessOf([{ name: "a", kind: "number", quality: { expectedMax: 10 } }]), json('"a":1')],
    ["of a type with a pace", accessOf(undefined, { type: { metrics: undefined, reportEvery: 10 } }), json('"a":1')],
    [
      "of a type that speaks CBOR",
      accessOf(undefined, { type: { metrics: undefined, codec: { format: "cbor" } } }),
      json('"a":1'),
    ],
  ])("what is %s goes the ordinary way", (_, access, payload) => {
    expect(short(access, [json('"a":1')], payload)).toBeUndefined();
  });

  test("a new version of the type is asked anew", () => {
    const type = { metrics: undefined as ReadonlyMap<string, MetricDefinition> | undefined };
    const access = accessOf(undefined, { type });
    const plain = createPlainPath(bounds);
    const payload = Buffer.from(json('"a":11'));
    const reading = ordinary(access, payload.toString());
    if (reading !== undefined) plain.learn(access, payload, undefined, reading);
    expect(plain.find(access, payload, 0, payload.length, now)).toBeDefined();
    type.metrics = new Map([["a", { name: "a", kind: "number", max: 10 }]]);
    expect(plain.find(access, payload, 0, payload.length, now)).toBeUndefined();
  });
});

const name = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom("a", "b", "humidity", "device_id", "x.y-z") },
  { weight: 1, arbitrary: fc.constantFrom("temperature", "time", "__proto__", "é") },
);
const plainNumber = fc
  .tuple(fc.integer({ min: -99, max: 99 }), fc.nat(9_999))
  .map(([whole, part]) => `${whole}.${part}`);
const anyValue = fc.oneof(
  { weight: 40, arbitrary: plainNumber },
  { weight: 4, arbitrary: fc.integer().map(String) },
  { weight: 2, arbitrary: fc.double().map((value) => JSON.stringify(value)) },
  fc.bigInt({ min: 0n, max: 10n ** 22n }).map(String),
  fc.constantFrom("0", "-0", "-0.0", "1e5", "1E-7", "0.0000001", "0.10", "00", "1.", "null", "true", '"s"', "[]", "{}"),
);
const time = fc.integer({ min: now - 20_000, max: now + 20_000 });

interface Sentence {
  readonly names: readonly string[];
  readonly form: "short" | "long" | "long without a time";
  readonly space: string;
}

function say({ names, form, space }: Sentence, values: readonly string[], ts: number): string {
  const metrics = names.map((metric, index) => `"${metric}":${space}${values[index] ?? 0}`).join(`,${space}`);
  if (form === "short") return `{${metrics}}`;
  return form === "long" ? `{"ts":${ts},${space}"values":{${metrics}}}` : `{"values":{${metrics}}}`;
}

const sentence = fc.record({
  names: fc.oneof(
    { weight: 4, arbitrary: fc.uniqueArray(name, { minLength: 1, maxLength: 4 }) },
    fc.array(name, { maxLength: 4 }),
  ),
  form: fc.constantFrom("short", "long", "long without a time"),
  space: fc.constantFrom("", "", "", " ", "\n\t"),
});
/** A message, and one after it: mostly the same sentence with other values. */
const twoMessages = fc
  .tuple(
    sentence,
    fc.option(sentence, { freq: 4, nil: undefined }),
    fc.array(plainNumber, { minLength: 4, maxLength: 4 }),
    fc.array(anyValue, { minLength: 4, maxLength: 4 }),
    time,
    time,
  )
  .map(([one, other, before, after, ts, later]) => [say(one, before, ts), say(other ?? one, after, later)] as const);

test("whatever a device has said before, the short way makes of its message what the ordinary way makes of it, or nothing", () => {
  const definitions = fc.option(
    fc.constant([
      { name: "humidity", kind: "number", max: 50.5 },
      { name: "device_id", kind: "number" },
      { name: "a", kind: "number", min: -50, max: 1_000 },
      { name: "b", kind: "number" },
      { name: "temperature", kind: "string" },
    ] as const satisfies readonly MetricDefinition[]),
    { nil: undefined },
  );
  let found = 0;
  fc.assert(
    fc.property(twoMessages, definitions, ([before, after], types) => {
      const access = accessOf(types);
      const taken = short(access, [before], after);
      if (taken === undefined) return;
      found += 1;
      expect(taken).toEqual(frameOf(ordinary(access, after)));
    }),
    { numRuns: 3_000 },
  );
  // Else nothing was tried.
  expect(found).toBeGreaterThan(100);
});
