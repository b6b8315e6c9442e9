import { describe, it } from "vitest";
import { deviceDecider } from "../../../src/domain/device/index.js";
import type { DeviceId } from "../../../src/domain/ids.js";
import { specify } from "../../support/decider-specification.js";
import { command, event, gateway, otherGateway, press, registered } from "./press.js";

const { given } = specify(deviceDecider);
const assign = (gatewayId: DeviceId) => command("AssignGateway", { gatewayId });
const assigned = (gatewayId: DeviceId) => event("GatewayAssigned", { gatewayId });
const removed = (gatewayId: DeviceId) => event("GatewayRemoved", { gatewayId });

describe("a device's gateway", () => {
  it("is assigned", () => given(registered()).when(assign(gateway)).then(assigned(gateway)));

  it("that is assigned again is so already", () =>
    given(registered(), assigned(gateway)).when(assign(gateway)).thenNothing());

  it("takes the place of the one before", () =>
    given(registered(), assigned(gateway)).when(assign(otherGateway)).then(assigned(otherGateway)));

  it("is not the device itself", () =>
    given(registered())
      .when(assign(press.deviceId))
      .thenRefused("INVALID_VALUE", /press-1 cannot be its own gateway/u));

  it("is removed, and the history says which it was", () =>
    given(registered(), assigned(gateway), assigned(otherGateway))
      .when(command("RemoveGateway", {}))
      .then(removed(otherGateway)));

  it("that there is not is removed already", () => {
    given(registered()).when(command("RemoveGateway", {})).thenNothing();
    given(registered(), assigned(gateway), removed(gateway)).when(command("RemoveGateway", {})).thenNothing();
  });

  it("comes back after it was removed", () =>
    given(registered(), assigned(gateway), removed(gateway)).when(assign(gateway)).then(assigned(gateway)));
});
