import { describe, it } from "vitest";
import { deviceDecider } from "../../../src/domain/device/index.js";
import { specify } from "../../support/decider-specification.js";
import { EARLIER, NOW } from "../clock.js";
import { command, event, registered } from "./press.js";

const { given } = specify(deviceDecider);
const online = event("DeviceWentOnline", { since: EARLIER });

describe("firmware", () => {
  const running = registered({ firmwareVersion: "1.0.0" });

  it("that the device reports for the first time has no version before it", () =>
    given(registered())
      .when(command("ReportFirmware", { firmwareVersion: "1.0.0" }))
      .then(event("FirmwareUpdated", { firmwareVersion: "1.0.0" })));

  it("that is new names the one before", () =>
    given(running, event("FirmwareUpdated", { firmwareVersion: "1.1.0", previousVersion: "1.0.0" }))
      .when(command("ReportFirmware", { firmwareVersion: "1.2.0" }))
      .then(event("FirmwareUpdated", { firmwareVersion: "1.2.0", previousVersion: "1.1.0" })));

  it("that is known already is no news", () =>
    given(running)
      .when(command("ReportFirmware", { firmwareVersion: "1.0.0" }))
      .thenNothing());

  it("with an absurd name is refused", () =>
    given(running)
      .when(command("ReportFirmware", { firmwareVersion: "x".repeat(51) }))
      .thenRefused("INVALID_VALUE", /firmwareVersion/u));
});

describe("presence", () => {
  const offline = { since: NOW, reason: "connection-lost" } as const;

  it("is recorded when it changes, with the time since which it holds", () => {
    given(registered())
      .when(command("ReportOnline", { since: NOW }))
      .then(event("DeviceWentOnline", { since: NOW }));
    given(registered(), online).when(command("ReportOffline", offline)).then(event("DeviceWentOffline", offline));
  });

  it("is not recorded when it is so already", () => {
    given(registered(), online)
      .when(command("ReportOnline", { since: NOW }))
      .thenNothing();
    given(registered(), online, event("DeviceWentOffline", offline))
      .when(command("ReportOffline", offline))
      .thenNothing();
  });

  it("of a decommissioned device can end, and not begin", () => {
    const gone = event("DeviceDecommissioned", {});
    given(registered(), online, gone).when(command("ReportOffline", offline)).then(event("DeviceWentOffline", offline));
    given(registered(), gone)
      .when(command("ReportOnline", { since: NOW }))
      .thenNothing();
  });
});
