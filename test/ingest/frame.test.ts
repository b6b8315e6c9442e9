import * as fc from "fast-check";
import { expect, test } from "vitest";
import { deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import { decodeFrame, encodeFrame, frameSpans, openFrame } from "../../src/ingest/frames/frame.js";
import type { MetricValue, Reading } from "../../src/ingest/reading.js";
import { bodyOf } from "../../src/ingest/writer/body.js";
import { FieldCursor } from "../../src/ingest/writer/line-fields.js";
import { toLine } from "../../src/ingest/writer/line-protocol.js";

const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/u);
const metric = fc.constantFrom("a", "b", "temperature", "device_id", "_time", "x.y-z");
const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
  fc.string({ unit: "binary", maxLength: 12 }).filter((text) => Buffer.from(text).toString() === text),
  fc.boolean(),
);
const reading: fc.Arbitrary<Reading> = fc
  .record({
    tenant: id,
    device: fc.constantFrom("d1", "d2", "d-3"),
    type: id,
    site: fc.option(
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 16 }).filter((site) => !/\p{Cc}/u.test(site)),
    ),
    receivedAt: fc.integer({ min: 1_790_000_000_000, max: 1_790_000_100_000 }),
    timestamp: fc.maxSafeInteger(),
    values: fc.dictionary(metric, value, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
    quality: fc.boolean(),
    maintenance: fc.boolean(),
  })
  .map(({ tenant, device, type, site, receivedAt, timestamp, values, quality, maintenance }) => {
    return {
      tenantId: tenantId(tenant),
      deviceId: deviceId(device),
      deviceType: deviceTypeId(type),
      ...(site === null ? {} : { site }),
      receivedAt,
      timestamp,
      values,
      ...(quality ? { quality: Object.fromEntries(Object.keys(values).map((name) => [name, "spike|late"])) } : {}),
      ...(maintenance ? { maintenance } : {}),
    };
  });
const readings = fc
  .array(fc.tuple(reading, fc.integer({ min: 1, max: 3 })), { maxLength: 8 })
  .map((runs) =>
    runs.flatMap(([one, times]) => Array.from({ length: times }, (_, n) => ({ ...one, timestamp: one.timestamp - n }))),
  );

test("a frame gives back what was put into it, and its text is their lines", () => {
  fc.assert(
    fc.property(readings, (given) => {
      const frame = openFrame(encodeFrame(given));
      expect(decodeFrame(frame.bytes)).toEqual(given);
      expect(bodyOf([frame, frame])).toBe([...given, ...given].map((one) => `${toLine(one)}\n`).join(""));
      expect([...frame.each()]).toEqual(given.map(toLine));
      expect(given.map((_, line) => frame.line(line))).toEqual(
        given.map((one) => ({ text: toLine(one), reading: one })),
      );
    }),
  );
});

test("its spans say which device has which times", () => {
  fc.assert(
    fc.property(readings, (given) => {
      const spans = [...frameSpans(openFrame(encodeFrame(given)))];
      for (const { tenantId: tenant, deviceId: device, timestamp } of given) {
        const covers = spans.some(
          (span) =>
            span.tenantId === tenant &&
            span.deviceId === device &&
            span.minTimestamp <= timestamp &&
            timestamp <= span.maxTimestamp,
        );
        expect(covers).toBe(true);
      }
      expect(spans.length).toBeLessThanOrEqual(given.length);
    }),
  );
});

test("numbers are found in a line without decoding it", () => {
  fc.assert(
    fc.property(reading, (one) => {
      const frame = openFrame(encodeFrame([one]));
      const [group] = frame.groups();
      const found: Record<string, MetricValue> = {};
      const cursor = new FieldCursor();
      if (group !== undefined) cursor.open(frame.bytes, group.from);
      do {
        const name = frame.bytes.toString("latin1", cursor.nameFrom, cursor.nameTo);
        if (!name.includes(":")) found[name] = cursor.number();
      } while (cursor.next());
      const numbers = Object.entries(one.values).filter(
        ([name, given]) => typeof given === "number" && name !== "device_id" && name !== "_time",
      );
      expect(found).toEqual(Object.fromEntries(numbers));
    }),
  );
});

test("a frame of the first version is read as one of today", () => {
  const groups = [
    ["acme", "d1", "press", "hall 1", 1, [1_790_000_000_005, 1_790_000_000_000, { temperature: 21.5, on: true }]],
    ["acme", "d2", "press", 0, 0, [1_790_000_000_006, 1_790_000_000_001, { name: "x" }]],
  ];
  const old = Buffer.from(`\u0001${JSON.stringify(groups)}`);
  const common = { tenantId: "acme", deviceType: "press" };
  expect(decodeFrame(old)).toEqual([
    {
      ...common,
      deviceId: "d1",
      site: "hall 1",
      receivedAt: 1_790_000_000_005,
      timestamp: 1_790_000_000_000,
      values: { temperature: 21.5, on: true },
      maintenance: true,
    },
    {
      ...common,
      deviceId: "d2",
      receivedAt: 1_790_000_000_006,
      timestamp: 1_790_000_000_001,
      values: { name: "x" },
    },
  ]);
});

test("bytes that are no frame are said to be none", () => {
  expect(() => openFrame(Buffer.from([9]))).toThrow("a frame of version 9 cannot be read");
  expect(() => openFrame(Buffer.from([2, 0]))).toThrow("too short");
  expect(() => openFrame(encodeFrame([]).fill(0xff, 4, 8))).toThrow("shorter than its header says");
});
