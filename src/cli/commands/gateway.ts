import type { Command } from "commander";
import type { Begin } from "../cli.js";
import { noteUnshown } from "../shown.js";
import { CHANGES } from "./device-queries.js";
import type { DeviceShown } from "./device-queries.js";

export function addGatewayCommands(program: Command, begin: Begin): void {
  const gateway = program
    .command("gateway")
    .description("devices that speak for others; `device list --gateway` tells for which");
  gateway
    .command("assign <device> <gateway>")
    .description("let this gateway, and no other, speak for the device")
    .action(async (device: string, gatewayId: string, _: object, command: Command) => {
      const { out, connect } = begin(command);
      const input = { deviceId: device, gatewayId };
      const { assignGateway } = await connect("tenant").request<{ readonly assignGateway: DeviceShown }>(
        CHANGES.assignGateway,
        { input },
      );
      noteUnshown(out, assignGateway);
      out.show(assignGateway.device, () => out.line(`gateway ${gatewayId} may speak for device ${device}`));
    });
  gateway
    .command("remove <device>")
    .description("let the device speak for itself alone")
    .action(async (device: string, _: object, command: Command) => {
      const { out, connect } = begin(command);
      const { removeGateway } = await connect("tenant").request<{ readonly removeGateway: DeviceShown }>(
        CHANGES.removeGateway,
        { input: { deviceId: device } },
      );
      noteUnshown(out, removeGateway);
      out.show(removeGateway.device, () => out.line(`device ${device} speaks for itself alone`));
    });
}
