/** `npm run demo [-- --seconds N] [--devices N]`. Exit codes: 0 nothing lost, 1 something was, or it failed; 2 wrong usage or configuration. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ConfigError } from "../config.js";
import { isFleetlogError, messageOf } from "../platform/errors.js";
import { createLogger } from "../platform/logger.js";
import { demoDataFolder } from "./data-folder.js";
import { runDemo } from "./demo.js";
import { FULL_FLEET } from "./fleet.js";
import { createScreen } from "./screen.js";

const usage = `usage: npm run demo [-- --seconds N] [-- --devices N]
  --seconds   replay the recordings in N seconds (5 to 3600), give the account and end;
              left out: one pass in 150 s, then live until Ctrl-C
  --devices   1 to ${FULL_FLEET}, the machine always among them (default ${FULL_FLEET})`;

interface Asked {
  readonly seconds: number | undefined;
  readonly devices: number;
}

function asked(): Asked {
  try {
    const { values } = parseArgs({
      options: { seconds: { type: "string" }, devices: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help === true) {
      process.stdout.write(`${usage}\n`);
      process.exit(0);
    }
    return {
      seconds: values.seconds === undefined ? undefined : number("--seconds", values.seconds, 5, 3_600),
      devices: values.devices === undefined ? FULL_FLEET : number("--devices", values.devices, 1, FULL_FLEET),
    };
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n${usage}\n`);
    process.exit(2);
  }
}

function number(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${flag} takes a whole number from ${min} to ${max}, not "${text}"`);
  }
  return value;
}

/** samples/nab of the project that this file is of, compiled or not. */
function samplesFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && dirname(folder) !== folder) folder = dirname(folder);
  return join(folder, "samples", "nab");
}

const { seconds, devices } = asked();
const environment = { ...process.env };
const data = demoDataFolder(environment["FLEETLOG_DATA_DIR"]);
environment["FLEETLOG_DATA_DIR"] = data.path;
// The lines for people are the demo's own; the platform speaks up when something is wrong.
environment["FLEETLOG_LOG_LEVEL"] ??= "error";
const screen = createScreen(process.stdout);
const ending = new AbortController();

function end(): void {
  if (ending.signal.aborted) {
    // Twice: the person does not want to wait. The children notice that we are gone.
    process.exit(1);
  }
  screen.line("ending: the account first, then everything stops. Ctrl-C again to end at once");
  ending.abort();
}
process.on("SIGINT", end);
process.on("SIGTERM", end);

try {
  screen.line(`· ${data.note}`);
  const summary = await runDemo({
    environment,
    samples: samplesFolder(),
    seconds,
    devices,
    screen,
    logger: createLogger({ level: "error", name: "demo" }),
    signal: ending.signal,
  });
  for (const line of summary.lines) screen.line(line);
  screen.line(`demo: ${JSON.stringify(summary.json)}`);
  process.exitCode = summary.ok ? 0 : 1;
} catch (error) {
  const said =
    isFleetlogError(error) || error instanceof ConfigError || !(error instanceof Error)
      ? messageOf(error)
      : (error.stack ?? error.message);
  process.stderr.write(`${said}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
} finally {
  data.remove();
}
