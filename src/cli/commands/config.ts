import type { Command } from "commander";
import { jsonOrFile, whole } from "../arguments.js";
import type { Begin } from "../cli.js";
import { noteUnshown } from "../shown.js";
import { CHANGES } from "./device-queries.js";
import type { DeviceShown } from "./device-queries.js";

interface Configured {
  readonly setDeviceConfiguration: DeviceShown & {
    readonly device: { readonly configuration: { readonly desired: { readonly version: number } } } | null;
  };
}

export function addConfigCommands(program: Command, begin: Begin): void {
  const config = program
    .command("config")
    .description("what devices should run with; `device show` tells how it stands");
  config
    .command("set <device>")
    .description("replace a device's desired configuration")
    .argument("<json>", "an object, or a file of it", jsonOrFile)
    .option("--expected-version <n>", "refuse unless this is the newest version, 0 for none", whole)
    .action(
      async (device: string, wanted: unknown, options: { readonly expectedVersion?: number }, command: Command) => {
        const { out, connect } = begin(command);
        const input = { deviceId: device, config: wanted, ...options };
        const answer = await connect("tenant").request<Configured>(CHANGES.setDeviceConfiguration, { input });
        const changed = answer.setDeviceConfiguration;
        noteUnshown(out, changed);
        const version = changed.device?.configuration.desired.version;
        out.show(changed.device, () => out.line(`configuration version ${version ?? "?"} of ${device} is on its way`));
      },
    );
}
