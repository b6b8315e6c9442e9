import { describe, it } from "vitest";
import { deviceTypeId, tenantId } from "../../src/domain/ids.js";
import { deviceTypeDecider } from "../../src/domain/device-type/index.js";
import type {
  DefineDeviceType,
  DeviceTypeDefined,
  MetricDefinition,
  QualityChecks,
} from "../../src/domain/device-type/index.js";
import { specify } from "../support/decider-specification.js";
import { NOW } from "./clock.js";

const { given } = specify(deviceTypeDecider);
const type = { tenantId: tenantId("acme"), deviceType: deviceTypeId("press") };
const define = (...metrics: readonly MetricDefinition[]): DefineDeviceType => ({
  type: "DefineDeviceType",
  at: NOW,
  data: { ...type, metrics },
});
const defined = (version: number, ...metrics: readonly MetricDefinition[]): DeviceTypeDefined => ({
  type: "DeviceTypeDefined",
  data: { ...type, version, metrics },
});
const temperature: MetricDefinition = { name: "temperature", kind: "number", unit: "Cel", min: -40, max: 125 };
function numeric(quality: QualityChecks): Partial<DefineDeviceType["data"]> {
  return { metrics: [{ name: "t", kind: "number", quality }] };
}
const open: MetricDefinition = { name: "open", kind: "boolean" };

describe("a device type", () => {
  it("begins at version 1", () => given().when(define(temperature)).then(defined(1, temperature)));

  it("takes its next version when its metrics change", () =>
    given(defined(1, temperature))
      .when(define(temperature, open))
      .then(defined(2, temperature, open)));

  it("stays as it is when defined the same again", () =>
    given(defined(1, temperature)).when(define(temperature)).thenNothing());

  it("stays as it is when only the order of a metric's keys differs", () =>
    given(defined(1, temperature))
      .when(define({ max: 125, min: -40, unit: "Cel", kind: "number", name: "temperature" }))
      .thenNothing());

  it("can go back to what it was, as a new version", () =>
    given(defined(1, temperature), defined(2, open)).when(define(temperature)).then(defined(3, temperature)));

  it("takes bounds on one side only, and equal ones", () => {
    const metrics: readonly MetricDefinition[] = [
      { name: "a", kind: "number", min: 0 },
      { name: "b", kind: "number", max: 0 },
      { name: "c", kind: "number", min: 1, max: 1 },
    ];
    given()
      .when(define(...metrics))
      .then(defined(1, ...metrics));
  });

  const many = Array.from({ length: 257 }, (_, n): MetricDefinition => ({ name: `m${n}`, kind: "number" }));
  it("has at most 256 metrics", () => {
    given()
      .when(define(...many.slice(1)))
      .then(defined(1, ...many.slice(1)));
    given()
      .when(define(...many))
      .thenRefused("LIMIT_EXCEEDED", /256.*257/u);
  });

  it.each<[string, readonly MetricDefinition[], RegExp]>([
    ["no metric", [], /at least one/u],
    ["a metric twice", [open, { ...open, kind: "number" }], /open is defined twice/u],
    ["a name that the time-series store keeps", [{ name: "time", kind: "number" }], /"time"/u],
    ["a name with a space", [{ name: "a b", kind: "number" }], /"a b"/u],
    ["bounds the wrong way round", [{ name: "t", kind: "number", min: 2, max: 1 }], /min 2 is above max 1/u],
    ["a bound on a text", [{ name: "t", kind: "string", max: 1 }], /only numbers/u],
    ["a bound on a yes or no", [{ name: "t", kind: "boolean", min: 0 }], /only numbers/u],
    ["a bound that is not a number", [{ name: "t", kind: "number", min: Number.NaN }], /finite/u],
    ["a bound that JSON cannot say", [{ name: "t", kind: "number", max: Number.POSITIVE_INFINITY }], /finite/u],
  ])("is refused with %s", (_, metrics, message) =>
    given()
      .when(define(...metrics))
      .thenRefused("INVALID_VALUE", message),
  );

  it("says how its values are doubted, how its devices write, and how often", () => {
    const doubted: MetricDefinition = {
      ...temperature,
      quality: { expectedMin: 10, expectedMax: 10, maxRate: 0.5, stuckAfter: 600 },
    };
    const schema = { schema: 'syntax = "proto3"; message R { double temperature = 1; }', message: "R" };
    const data = {
      ...type,
      metrics: [doubted],
      codec: { format: "protobuf", protobuf: schema },
      reportEvery: 2.5,
    } as const;
    const event: DeviceTypeDefined = { type: "DeviceTypeDefined", data: { ...data, version: 1 } };
    const wish: DefineDeviceType = { type: "DefineDeviceType", at: NOW, data };
    given().when(wish).then(event);
    given(event).when(wish).thenNothing();
    given(event)
      .when({ ...wish, data: { ...data, reportEvery: 5 } })
      .then({ type: "DeviceTypeDefined", data: { ...data, reportEvery: 5, version: 2 } });
    // What is left out is no longer so.
    given(event).when(define(doubted)).then(defined(2, doubted));
  });

  it.each<[string, Partial<DefineDeviceType["data"]>, RegExp]>([
    [
      "quality checks of a text",
      { metrics: [{ name: "t", kind: "string", quality: {} }] },
      /only numbers have quality/u,
    ],
    [
      "expectations the wrong way round",
      numeric({ expectedMin: 2, expectedMax: 1 }),
      /expectedMin 2 is above expectedMax 1/u,
    ],
    ["an expectation without end", numeric({ expectedMax: Number.POSITIVE_INFINITY }), /finite/u],
    ["a rate of 0", numeric({ maxRate: 0 }), /maxRate 0 is not a finite number above 0/u],
    ["a rate without end", numeric({ maxRate: Number.POSITIVE_INFINITY }), /maxRate Infinity/u],
    ["a sensor that is stuck before it began", numeric({ stuckAfter: -1 }), /stuckAfter -1/u],
    ["a pace of 0", { reportEvery: 0 }, /reportEvery 0/u],
    ["a pace that is no number", { reportEvery: Number.NaN }, /reportEvery NaN/u],
    ["a pace of years", { reportEvery: 1e9 }, /reportEvery 1000000000/u],
    ["protobuf without a schema", { codec: { format: "protobuf" } }, /needs a schema/u],
    [
      "a schema with another format",
      { codec: { format: "cbor", protobuf: { schema: "", message: "R" } } },
      /not with cbor/u,
    ],
    [
      "a schema without end",
      { codec: { format: "protobuf", protobuf: { schema: "x".repeat(65_537), message: "R" } } },
      /schema has at most 65536/u,
    ],
    [
      "a unit without end",
      { metrics: [{ name: "t", kind: "number", unit: "x".repeat(65) }] },
      /unit of metric t has at most 64/u,
    ],
  ])("is refused with %s", (_, data, message) =>
    given()
      .when({ type: "DefineDeviceType", at: NOW, data: { ...type, metrics: [temperature], ...data } })
      .thenRefused("INVALID_VALUE", message),
  );

  it("is checked before it is compared: a wrong definition is refused whatever stands", () =>
    given(defined(1, temperature)).when(define()).thenRefused("INVALID_VALUE"));
});
