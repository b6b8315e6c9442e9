import { describe, it } from "vitest";
import { deviceTypeId, tenantId } from "../../src/domain/ids.js";
import { deviceTypeDecider } from "../../src/domain/device-type/index.js";
import type { DefineDeviceType, DeviceTypeDefined, MetricDefinition } from "../../src/domain/device-type/index.js";
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

  it("is checked before it is compared: a wrong definition is refused whatever stands", () =>
    given(defined(1, temperature)).when(define()).thenRefused("INVALID_VALUE"));
});
