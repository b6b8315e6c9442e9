import { describe, it } from "vitest";
import { deviceDecider } from "../../../src/domain/device/index.js";
import type { DeviceDetails } from "../../../src/domain/device/index.js";
import { specify } from "../../support/decider-specification.js";
import { command, event, press, registered } from "./press.js";

const { given } = specify(deviceDecider);

const everything: Required<DeviceDetails> = {
  name: "Press 1",
  description: "hydraulic, hall 4",
  manufacturer: "Schuler",
  model: "MSD-400",
  firmwareVersion: "1.4.2",
  location: { site: "hall-4", latitude: 48.77, longitude: 9.18 },
  metadata: { line: 4, tags: ["hot"] },
};

describe("registering a device", () => {
  it("keeps all that is said of it", () =>
    given()
      .when(command("RegisterDevice", { ...press, ...everything }))
      .then(registered(everything)));
});

describe("changing details", () => {
  it("records the fields that differ, and only those", () =>
    given(registered(everything))
      .when(command("ChangeDeviceDetails", { name: "Press 2", model: "MSD-400" }))
      .then(event("DeviceDetailsChanged", { name: "Press 2" })));

  it("to what they are already changes nothing, however their keys are ordered", () =>
    given(registered(everything))
      .when(
        command("ChangeDeviceDetails", {
          location: { longitude: 9.18, latitude: 48.77, site: "hall-4" },
          metadata: { tags: ["hot"], line: 4 },
        }),
      )
      .thenNothing());

  it("replaces a location or metadata as a whole", () =>
    given(registered(everything))
      .when(command("ChangeDeviceDetails", { location: { site: "hall-5" }, metadata: {} }))
      .then(event("DeviceDetailsChanged", { location: { site: "hall-5" }, metadata: {} })));

  it("to null takes a field away, once", () => {
    const gone = event("DeviceDetailsChanged", { name: null, location: null });
    given(registered(everything))
      .when(command("ChangeDeviceDetails", { name: null, location: null, model: "MSD-400" }))
      .then(gone);
    given(registered(everything), gone)
      .when(command("ChangeDeviceDetails", { name: null, location: null }))
      .thenNothing();
    given(registered())
      .when(command("ChangeDeviceDetails", { description: null }))
      .thenNothing();
    given(registered(everything), gone)
      .when(command("ChangeDeviceDetails", { name: "Press 1" }))
      .then(event("DeviceDetailsChanged", { name: "Press 1" }));
  });

  it("is compared with the newest, not with the first", () =>
    given(registered({ name: "a" }), event("DeviceDetailsChanged", { name: "b" }))
      .when(command("ChangeDeviceDetails", { name: "a" }))
      .then(event("DeviceDetailsChanged", { name: "a" })));
});

describe("details are checked, at registration and at every change", () => {
  const wrong: readonly (readonly [string, DeviceDetails, RegExp])[] = [
    ["a name of 256 characters", { name: "x".repeat(256) }, /name has at most 255/u],
    ["a description of 4097", { description: "x".repeat(4097) }, /description has at most 4096/u],
    ["a manufacturer of 101", { manufacturer: "x".repeat(101) }, /manufacturer has at most 100/u],
    ["a model of 101", { model: "x".repeat(101) }, /model has at most 100/u],
    ["a firmware version of 51", { firmwareVersion: "x".repeat(51) }, /firmwareVersion has at most 50/u],
    ["an empty site", { location: { site: "" } }, /location\.site/u],
    ["a site of 65 characters", { location: { site: "x".repeat(65) } }, /location\.site/u],
    ["a site of two lines", { location: { site: "a\nb" } }, /control character/u],
    ["a latitude beyond the pole", { location: { latitude: 90.1 } }, /latitude 90.1/u],
    ["a latitude that is no number", { location: { latitude: Number.NaN } }, /latitude NaN/u],
    ["a longitude beyond the date line", { location: { longitude: -180.5 } }, /longitude -180.5/u],
    ["metadata without end", { metadata: { x: "y".repeat(64 * 1024) } }, /metadata has at most 65536 bytes/u],
  ];

  it.each(wrong)("%s is refused", (_, details, message) => {
    given()
      .when(command("RegisterDevice", { ...press, ...details }))
      .thenRefused("INVALID_VALUE", message);
    given(registered()).when(command("ChangeDeviceDetails", details)).thenRefused("INVALID_VALUE", message);
  });

  it("the ends of each range are in it", () => {
    const details: DeviceDetails = {
      name: "x".repeat(255),
      firmwareVersion: "x".repeat(50),
      location: { site: "x".repeat(64), latitude: -90, longitude: 180 },
    };
    given(registered()).when(command("ChangeDeviceDetails", details)).then(event("DeviceDetailsChanged", details));
  });
});
