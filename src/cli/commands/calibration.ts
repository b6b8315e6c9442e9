import type { Command } from "commander";
import { jsonOrFile } from "../arguments.js";
import type { Begin } from "../cli.js";
import { UsageError } from "../problem.js";
import { noteUnshown } from "../shown.js";
import { CHANGES } from "./device-queries.js";
import type { DeviceShown } from "./device-queries.js";

interface Calibrated {
  readonly setDeviceCalibration: DeviceShown;
}

export function addCalibrationCommands(program: Command, begin: Begin): void {
  const calibration = program.command("calibration").description("what is made of a device's raw values");
  calibration
    .command("set <device>")
    .description("replace a device's calibration: scale × value + offset; {} ends it")
    .argument(
      "<json>",
      'by metric, such as \'{"temperature": {"offset": -0.5, "scale": 1.02}}\', or a file of it',
      jsonOrFile,
    )
    .action(async (device: string, wanted: unknown, _: object, command: Command) => {
      const { out, connect } = begin(command);
      const input = { deviceId: device, calibration: entriesOf(wanted) };
      const answer = await connect("tenant").request<Calibrated>(CHANGES.setDeviceCalibration, { input });
      noteUnshown(out, answer.setDeviceCalibration);
      out.show(answer.setDeviceCalibration.device, () =>
        out.line(`device ${device} is calibrated for ${input.calibration.length} metrics`),
      );
    });
}

function entriesOf(value: unknown): readonly object[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError('the calibration is an object of metrics, such as \'{"temperature": {"offset": -0.5}}\'');
  }
  return Object.entries(value as Readonly<Record<string, object>>).map(([metric, entry]) => ({ ...entry, metric }));
}
