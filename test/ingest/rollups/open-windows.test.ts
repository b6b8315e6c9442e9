import { expect, test } from "vitest";
import { encodeFrame, openFrame } from "../../../src/ingest/frames/frame.js";
import type { Reading } from "../../../src/ingest/index.js";
import { OpenWindows } from "../../../src/ingest/rollups/open-windows.js";
import { MINUTE, reading } from "./support.js";

const start = Date.parse("2026-01-01T00:00:00Z");

function pass(windows: OpenWindows, readings: readonly Reading[], since = 0) {
  return windows.add(openFrame(encodeFrame(readings)), since);
}

test("what passes by in order is summed up, and asked of nobody", () => {
  const windows = new OpenWindows(start);
  pass(windows, [
    reading("acme", "d1", start, { t: 1.5, location: 7, note: 'a "b", c=d', on: true }),
    reading("acme", "d1", start + 1, { t: -2e-7 }),
    reading("acme", "d2", start + 1, { other: 3, t: 4 }),
  ]);
  const more = { ...reading("acme", "d1", start + 2, { location: 9, t: 1 }), quality: { t: "spike" } };
  pass(windows, [more, reading("acme", "d1", start + MINUTE, { t: 100 })]);
  const { points = [], unsure } = windows.take(start) ?? {};
  expect(unsure).toEqual([]);
  expect(points.map(({ device, metric, count, sum, min, max }) => [device, metric, count, sum, min, max])).toEqual([
    ["d1", "location", 2, 16, 7, 9],
    ["d1", "t", 3, 1.5 - 2e-7 + 1, -2e-7, 1.5],
    ["d2", "other", 1, 3, 3, 3],
    ["d2", "t", 1, 4, 4, 4],
  ]);
  expect(windows.take(start + MINUTE)?.points).toHaveLength(1);
});

test("different readings of one millisecond are two; the same one again makes its device unsure", () => {
  const windows = new OpenWindows(start);
  pass(windows, [reading("acme", "d1", start, { t: 1 }), reading("acme", "d1", start, { t: 2 })]);
  pass(windows, [reading("acme", "d2", start, { t: 1 }), reading("acme", "d2", start, { t: 1 })]);
  const closed = windows.take(start);
  expect(closed?.points).toMatchObject([{ device: "d1", count: 2, sum: 3 }]);
  expect(closed?.unsure).toEqual([{ tenant: "acme", device: "d2", from: start, to: start + MINUTE, fields: ["t"] }]);
});

test("what comes out of order makes its device unsure, with every field that it has", () => {
  const windows = new OpenWindows(start);
  pass(windows, [reading("acme", "d1", start + 5, { t: 1 }), reading("acme", "d1", start + 4, { u: 1 })]);
  expect(windows.take(start)).toMatchObject({ points: [], unsure: [{ device: "d1", fields: ["t", "u"] }] });
});

test("what is late is told apart, and not summed up", () => {
  const windows = new OpenWindows(0);
  const found = pass(
    windows,
    [reading("acme", "d1", start - 1, { t: 1 }), reading("acme", "d1", start, { t: 2 })],
    start,
  );
  expect(found).toEqual({ newest: start, hasLate: true });
  expect(windows.take(start - MINUTE)?.points).toEqual([]);
  expect(windows.take(start)?.points).toMatchObject([{ count: 1, sum: 2 }]);
});

test("a minute that is not whole, or that could not be written, has to be asked for", () => {
  const windows = new OpenWindows(start + MINUTE);
  pass(windows, [reading("acme", "d1", start, { t: 1 }), reading("acme", "d1", start + MINUTE, { t: 1 })]);
  expect(windows.take(start)).toBeUndefined();
  windows.doubt(start + 2 * MINUTE);
  expect(windows.take(start + MINUTE)).toBeUndefined();
  expect(windows.take(start + 2 * MINUTE)).toEqual({ points: [], unsure: [] });
});

test("more than it may hold is forgotten, and has to be asked for", () => {
  const windows = new OpenWindows(start, 1_000);
  for (let device = 0; device <= 100; device += 1) {
    pass(windows, [
      reading(
        "acme",
        `d${device}`,
        start,
        Object.fromEntries(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map((m) => [m, 1])),
      ),
    ]);
  }
  expect(windows.take(start)).toBeUndefined();
  pass(windows, [reading("acme", "d1", start + MINUTE, { t: 1 })]);
  expect(windows.take(start + MINUTE)?.points).toHaveLength(1);
});
