import { Command, CommanderError } from "commander";
import { DomainError } from "../domain/error.js";
import { FleetlogError, isFleetlogError, messageOf } from "../platform/errors.js";
import type { Surroundings } from "./cli.js";
import { beginWith } from "./cli.js";
import { addAlertCommands } from "./commands/alert.js";
import { addCalibrationCommands } from "./commands/calibration.js";
import { addConfigCommands } from "./commands/config.js";
import { addCredentialCommands } from "./commands/credential.js";
import { addDeviceCommands } from "./commands/device.js";
import { addDeviceTypeCommands } from "./commands/device-type.js";
import { addEventsCommand } from "./commands/events.js";
import { addGatewayCommands } from "./commands/gateway.js";
import { addProjectionsCommands } from "./commands/projections.js";
import { addRuleCommands } from "./commands/rule.js";
import { addRejectionsCommands } from "./commands/rejections.js";
import { addTelemetryCommand } from "./commands/telemetry.js";
import { addTenantCommands } from "./commands/tenant.js";
import { addTokenCommands } from "./commands/token.js";
import { addWatchCommands } from "./commands/watch.js";
import { UsageError, described } from "./problem.js";

const groups = [
  addTokenCommands,
  addTenantCommands,
  addDeviceTypeCommands,
  addDeviceCommands,
  addCredentialCommands,
  addConfigCommands,
  addCalibrationCommands,
  addGatewayCommands,
  addRuleCommands,
  addAlertCommands,
  addTelemetryCommand,
  addRejectionsCommands,
  addWatchCommands,
  addEventsCommand,
  addProjectionsCommands,
];

/** The whole command line, as commander knows it. */
export function createProgram(surroundings: Surroundings): Command {
  const program = new Command("fleetlog")
    .description("Works a running Fleetlog platform: devices, rules, alerts, and the history of it all.")
    .option(
      "--url <url>",
      "the platform's address (FLEETLOG_URL; default: the platform that runs on the data directory, else this machine's port 8080 or FLEETLOG_HTTP_PORT)",
    )
    .option("--token <token>", "who you are (FLEETLOG_TOKEN; default: signed here with the platform's own secret)")
    .option("--tenant <id>", "whose devices (FLEETLOG_TENANT); a token says it by itself")
    .option(
      "--data-dir <dir>",
      "where the platform of this machine keeps its secret (FLEETLOG_DATA_DIR; default: ./data)",
    )
    .option("--json", "results as JSON, for programs")
    .exitOverride()
    .showHelpAfterError("Add --help to see what this command takes.")
    .configureOutput({
      writeOut: (text) => void surroundings.stdout.write(text),
      writeErr: (text) => void surroundings.stderr.write(text),
    });
  const begin = beginWith(surroundings);
  for (const add of groups) add(program, begin);
  return program;
}

/** Runs one command and gives its exit code: 0 done or asked to stop, 1 refused or failed, 2 wrong usage. Never rejects. */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<0 | 1 | 2> {
  try {
    await createProgram(surroundings).parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      return ["commander.helpDisplayed", "commander.version"].includes(error.code) ? 0 : 2;
    }
    const say = (text: string): void => void surroundings.stderr.write(`fleetlog: ${text}\n`);
    if (error instanceof UsageError) {
      say(error.message);
      return 2;
    }
    if (error instanceof DomainError) say(described(new FleetlogError(error.code, error.message)));
    else say(isFleetlogError(error) ? described(error) : messageOf(error));
    return 1;
  }
}
