import { describe, it } from "vitest";
import type { Calibration, DeviceEvent } from "../../../src/domain/device/index.js";
import { deviceDecider } from "../../../src/domain/device/index.js";
import { specify } from "../../support/decider-specification.js";
import { command, event, registered } from "./press.js";

const { given } = specify(deviceDecider);
type Calibrations = Readonly<Record<string, Calibration>>;
const set = (calibration: Calibrations) => command("SetCalibration", { calibration });
const changed = (calibration: Calibrations): DeviceEvent => event("CalibrationChanged", { calibration });

describe("a device's calibration", () => {
  it("is recorded whole", () => {
    const calibration = { temperature: { offset: -0.5, scale: 1.02 }, "flow.raw": { scale: -0.1 }, humidity: {} };
    given(registered()).when(set(calibration)).then(changed(calibration));
  });

  it("replaces the one before", () =>
    given(registered(), changed({ temperature: { offset: 1 }, flow: { scale: 2 } }))
      .when(set({ flow: { scale: 3 } }))
      .then(changed({ flow: { scale: 3 } })));

  it("ends when an empty one is set", () =>
    given(registered(), changed({ temperature: { offset: 1 } }))
      .when(set({}))
      .then(changed({})));

  it("that is set again is so already, however its keys are ordered", () => {
    given(registered()).when(set({})).thenNothing();
    given(registered(), changed({ a: { offset: 1, scale: 2 }, b: { offset: 3 } }))
      .when(set({ b: { offset: 3 }, a: { scale: 2, offset: 1 } }))
      .thenNothing();
  });

  it.each<[string, Calibrations, RegExp]>([
    ["a scale of 0", { t: { scale: 0 } }, /calibration of t: a scale of 0/u],
    ["a negative 0", { t: { scale: -0 } }, /scale of 0/u],
    ["a scale without end", { t: { scale: Number.POSITIVE_INFINITY } }, /calibration of t: .*finite/u],
    ["an offset that is no number", { t: { offset: Number.NaN } }, /finite/u],
    ["a metric that cannot be one", { "a b": { offset: 1 } }, /"a b"/u],
    ["a key that no document keeps", Object.fromEntries([["__proto__", { offset: 1 }]]), /__proto__/u],
  ])("is refused with %s", (_, calibration, message) =>
    given(registered()).when(set(calibration)).thenRefused("INVALID_VALUE", message),
  );

  it("speaks of at most 256 metrics", () => {
    const many = Object.fromEntries(Array.from({ length: 257 }, (_, n) => [`m${n}`, { offset: n }]));
    given(registered())
      .when(set(many))
      .thenRefused("LIMIT_EXCEEDED", /256.*257/u);
  });
});
