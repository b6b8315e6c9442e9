import { describe, it } from "vitest";
import { deviceDecider } from "../../../src/domain/device/index.js";
import type { DeviceEvent } from "../../../src/domain/device/index.js";
import type { JsonObject } from "../../../src/domain/json.js";
import { specify } from "../../support/decider-specification.js";
import { command, event, registered } from "./press.js";

const { given } = specify(deviceDecider);
const set = (config: JsonObject, expectedVersion?: number) =>
  command("SetConfiguration", expectedVersion === undefined ? { config } : { config, expectedVersion });
const changed = (version: number, config: JsonObject = {}): DeviceEvent =>
  event("ConfigurationChanged", { version, config });
const applied = (version: number): DeviceEvent => event("ConfigurationApplied", { version });
const failed = (version: number, error: string): DeviceEvent => event("ConfigurationFailed", { version, error });
const report = (version: number, error?: string) =>
  command(
    "ReportConfiguration",
    error === undefined ? { version, status: "applied" } : { version, status: "failed", error },
  );

describe("a desired configuration", () => {
  it("begins at version 1", () =>
    given(registered())
      .when(set({ interval: 10 }))
      .then(changed(1, { interval: 10 })));

  it("takes the next version with every change", () =>
    given(registered(), changed(1), changed(2))
      .when(set({ interval: 30 }))
      .then(changed(3, { interval: 30 })));

  it("is sent anew, as a new version, when the same is set again", () =>
    given(registered(), changed(1, { interval: 10 }))
      .when(set({ interval: 10 }))
      .then(changed(2, { interval: 10 })));

  it("replaces the newest where the caller saw the newest", () => {
    given(registered()).when(set({}, 0)).then(changed(1));
    given(registered(), changed(1), changed(2)).when(set({}, 2)).then(changed(3));
  });

  it.each([0, 1, 3, -1, 1.5, Number.NaN])("at version 2 is not replaced by one who saw version %d", (expected) =>
    given(registered(), changed(1), changed(2))
      .when(set({}, expected))
      .thenRefused("VERSION_CONFLICT", /at version 2/u),
  );

  it("is bounded in bytes, not in characters", () => {
    const limit = 64 * 1024;
    const around = '{"text":""}'.length;
    given(registered())
      .when(set({ text: "x".repeat(limit - around) }))
      .then(changed(1, { text: "x".repeat(limit - around) }));
    given(registered())
      .when(set({ text: "x".repeat(limit - around + 1) }))
      .thenRefused("INVALID_VALUE", /65536 bytes/u);
    given(registered())
      .when(set({ text: "€".repeat(limit / 2) }))
      .thenRefused("INVALID_VALUE");
  });
});

describe("a device's report", () => {
  const sent = [registered(), changed(1), changed(2)];

  it("that it runs the newest is kept", () =>
    given(...sent)
      .when(report(2))
      .then(applied(2)));

  it("that it runs an older one is kept: it may be on its way", () =>
    given(...sent)
      .when(report(1))
      .then(applied(1)));

  it("that it could not is kept with the device's own words", () =>
    given(...sent)
      .when(report(2, "interval too short"))
      .then(failed(2, "interval too short")));

  it("without words says so", () =>
    given(...sent)
      .when(command("ReportConfiguration", { version: 2, status: "failed" }))
      .then(failed(2, "the device gave no reason")));

  it("is cut where the device talks without end", () =>
    given(...sent)
      .when(report(2, "x".repeat(5_000)))
      .then(failed(2, "x".repeat(1_024))));

  it("that comes twice is kept once", () => {
    given(...sent, applied(2))
      .when(report(2))
      .thenNothing();
    given(...sent, failed(2, "no"))
      .when(report(2, "no"))
      .thenNothing();
    given(...sent, failed(2, "x".repeat(1_024)))
      .when(report(2, "x".repeat(5_000)))
      .thenNothing();
  });

  it("that fails for another reason, or succeeds at last, is news", () => {
    given(...sent, failed(2, "no"))
      .when(report(2, "still no"))
      .then(failed(2, "still no"));
    given(...sent, failed(2, "no"))
      .when(report(2))
      .then(applied(2));
    given(...sent, applied(2))
      .when(report(2, "it broke"))
      .then(failed(2, "it broke"));
  });

  it("that was overtaken by a newer one changes nothing", () =>
    given(...sent, applied(2))
      .when(report(1, "late"))
      .thenNothing());

  it.each([0, 3, -1, 1.5, Number.NaN])("of version %d, which was never sent, is refused", (version) =>
    given(...sent)
      .when(report(version))
      .thenRefused("INVALID_VALUE", /the newest is 2/u),
  );

  it("from a decommissioned device changes nothing, whatever it says", () =>
    given(...sent, event("DeviceDecommissioned", {}))
      .when(report(77))
      .thenNothing());
});
