import { describe, expect, it } from "vitest";
import type { QualityChecks } from "../../../src/domain/device-type/index.js";
import type { MetricValue, Reading } from "../../../src/ingest/index.js";
import { createJudge } from "../../../src/ingest/pipeline/quality/quality.js";
import type { Judge } from "../../../src/ingest/pipeline/quality/quality.js";
import { accessWith } from "./access.js";

const START = 1_800_000_000_000;
const SECOND = 1_000;
const MINUTE = 60_000;

function deviceOf(quality: QualityChecks, reportEvery?: number) {
  const metrics = [{ name: "temperature", kind: "number", quality } as const];
  return accessWith({ metrics, ...(reportEvery === undefined ? {} : { reportEvery }) });
}

/** Judges readings one by one, each `[seconds, value]` or `[seconds, value, seconds on arrival]`; what it says of each temperature. */
function flagsOf(
  access: ReturnType<typeof accessWith>,
  readings: readonly (readonly [at: number, value: MetricValue, arrived?: number])[],
  judge: Judge = createJudge(),
): readonly string[] {
  return readings.map(([at, value, arrived = at]) => {
    const [judged] = judge(access, [readingOf(access, START + at * SECOND, value, START + arrived * SECOND)]);
    return judged?.quality?.["temperature"] ?? "";
  });
}

function readingOf(
  { tenantId, deviceId, deviceType }: ReturnType<typeof accessWith>,
  timestamp: number,
  temperature: MetricValue,
  receivedAt = timestamp,
): Reading {
  return { tenantId, deviceId, deviceType, receivedAt, timestamp, values: { temperature } };
}

describe("a value is doubted", () => {
  it("outside the expected range, whose ends belong to it", () => {
    const device = deviceOf({ expectedMin: 0, expectedMax: 30 });
    expect(
      flagsOf(device, [
        [0, 0],
        [1, 30],
        [2, 30.5],
        [3, -1],
        [4, 12],
      ]),
    ).toEqual(["", "", "range", "range", ""]);
  });

  it("when it has moved faster than it can, and what follows the outlier is not", () => {
    const device = deviceOf({ maxRate: 1 });
    expect(
      flagsOf(device, [
        [0, 20],
        [10, 25],
        [11, 80],
        [12, 26],
        [13, 27],
      ]),
    ).toEqual(["", "", "spike", "", ""]);
  });

  it("no longer when it stays: a level that has really changed is believed in time", () => {
    const device = deviceOf({ maxRate: 1 });
    expect(
      flagsOf(device, [
        [0, 20],
        [1, 40],
        [10, 40],
        [20, 40],
        [21, 40.5],
      ]),
    ).toEqual(["", "spike", "spike", "", ""]);
  });

  it("when it has not moved at all for too long, until it does", () => {
    const device = deviceOf({ stuckAfter: 60 });
    expect(
      flagsOf(device, [
        [0, 5],
        [30, 5],
        [60, 5],
        [61, 5],
        [62, 5.1],
        [90, 5.1],
      ]),
    ).toEqual(["", "", "", "stuck", "", ""]);
  });

  it("when it is the first after a silence of one and a half periods", () => {
    const device = deviceOf({}, 10);
    expect(
      flagsOf(device, [
        [0, 1],
        [10, 2],
        [25, 3],
        [41, 4],
        [51, 5],
      ]),
    ).toEqual(["", "", "", "gap", ""]);
  });

  it("and not for being stuck through a gap: nobody knows what it did", () => {
    const device = deviceOf({ stuckAfter: 60 }, 10);
    expect(
      flagsOf(device, [
        [0, 5],
        [100, 5],
        [110, 5],
      ]),
    ).toEqual(["", "gap", ""]);
  });

  it("for several reasons at once, in one order", () => {
    const device = deviceOf({ expectedMax: 30, maxRate: 1 }, 10);
    expect(
      flagsOf(device, [
        [0, 20],
        [20, 90],
      ]),
    ).toEqual(["", "range|spike|gap"]);
  });
});

describe("the time of a reading", () => {
  const device = accessWith();

  it("ahead of ours is a clock that is wrong", () => {
    expect(
      flagsOf(device, [
        [30, 1, 0],
        [31, 1, 0],
      ]),
    ).toEqual(["", "clock-skew"]);
  });

  it("long behind ours means that it is late", () => {
    expect(
      flagsOf(device, [
        [0, 1, 300],
        [0, 1, 301],
      ]),
    ).toEqual(["", "late"]);
  });

  it("behind by always the same is a clock that is wrong, too", () => {
    const hour = 3_600;
    expect(
      flagsOf(device, [
        [0, 1, hour],
        [5, 1, hour + 5],
        [10, 1, hour + 10],
        [20, 1, hour + 20],
      ]),
    ).toEqual(["late", "late", "clock-skew", "clock-skew"]);
  });

  it("of a backlog that comes all at once is late, each of it", () => {
    const backlog = [0, 60, 120, 180, 240, 300].map((at) => [at, 1, 1_000] as const);
    expect(flagsOf(device, backlog)).toEqual(backlog.map(() => "late"));
  });
});

describe("out of order", () => {
  it("a reading is compared with nothing, and disturbs nothing", () => {
    const device = deviceOf({ maxRate: 1, stuckAfter: 60, expectedMax: 100 }, 10);
    const judge = createJudge();
    expect(
      flagsOf(
        device,
        [
          [0, 20],
          [10, 21],
        ],
        judge,
      ),
    ).toEqual(["", ""]);
    // Nine degrees in one second, but from behind.
    expect(
      flagsOf(
        device,
        [
          [9, 90],
          [8, 101],
        ],
        judge,
      ),
    ).toEqual(["", "range"]);
    expect(flagsOf(device, [[20, 22]], judge)).toEqual([""]);
  });

  it("and one that comes twice is judged the same", () => {
    const device = deviceOf({ maxRate: 1 }, 10);
    expect(
      flagsOf(device, [
        [0, 20],
        [60, 500],
        [60, 500],
      ]),
    ).toEqual(["", "spike|gap", "spike|gap"]);
  });
});

describe("what is remembered", () => {
  it("is each device's own, in each tenant", () => {
    const judge = createJudge();
    const metrics = [{ name: "temperature", kind: "number", quality: { maxRate: 1 } }] as const;
    const here = accessWith({ metrics });
    expect(flagsOf(here, [[0, 0]], judge)).toEqual([""]);
    expect(flagsOf(accessWith({ metrics, deviceId: "d2" }), [[1, 900]], judge)).toEqual([""]);
    expect(flagsOf(accessWith({ metrics, tenantId: "other" }), [[1, 900]], judge)).toEqual([""]);
    expect(flagsOf(here, [[1, 900]], judge)).toEqual(["spike"]);
  });

  it("is bounded: who was silent longest is compared with nothing again", () => {
    // A device and its one metric are two.
    const judge = createJudge(4);
    const metrics = [{ name: "temperature", kind: "number", quality: { maxRate: 1 } }] as const;
    const [a, b, c] = ["a", "b", "c"].map((deviceId) => accessWith({ metrics, deviceId }));
    if (a === undefined || b === undefined || c === undefined) throw new Error("three devices are made above");
    flagsOf(a, [[0, 0]], judge);
    flagsOf(b, [[0, 0]], judge);
    flagsOf(a, [[1, 0.5]], judge);
    flagsOf(c, [[0, 0]], judge);
    expect(flagsOf(b, [[1, 900]], judge)).toEqual([""]);
    expect(flagsOf(c, [[1, 900]], judge)).toEqual(["spike"]);
  });

  it("follows the device type's next version at once", () => {
    const access = deviceOf({ expectedMax: 30 });
    const judge = createJudge();
    expect(flagsOf(access, [[0, 40]], judge)).toEqual(["range"]);
    const next = deviceOf({ expectedMax: 50 });
    Object.assign(access.type, { metrics: next.type.metrics });
    expect(flagsOf(access, [[1, 40]], judge)).toEqual([""]);
  });
});

describe("a message", () => {
  it("of which nothing is doubted comes out as it went in", () => {
    const device = deviceOf({ expectedMax: 30 });
    const readings = [readingOf(device, START, 20), readingOf(device, START + MINUTE, 21)];
    expect(createJudge()(device, readings)).toBe(readings);
  });

  it("has flags at the metrics that they are of, and a gap at all", () => {
    const metrics = [
      { name: "temperature", kind: "number", quality: { expectedMax: 30 } },
      { name: "humidity", kind: "number" },
    ] as const;
    const device = accessWith({ metrics, reportEvery: 1 });
    const judge = createJudge();
    const at = (timestamp: number, temperature: number): Reading => ({
      ...readingOf(device, timestamp, temperature),
      values: { temperature, humidity: 50 },
    });
    const [first] = judge(device, [at(START, 31)]);
    expect(first?.quality).toEqual({ temperature: "range" });
    const [second] = judge(device, [at(START + MINUTE, 31)]);
    expect(second?.quality).toEqual({ temperature: "range|gap", humidity: "gap" });
  });
});
