import { parseArgs } from "node:util";
import { ConfigError, readConfig } from "./config.js";
import type { Config } from "./config.js";
import { whenParentGone } from "./embedded/processes/index.js";
import { isFleetlogError, messageOf } from "./platform/errors.js";
import type { Running } from "./platform/lifecycle.js";
import { createLogger } from "./platform/logger.js";
import { runRoles } from "./run-roles.js";
import { startPlatform } from "./supervisor/index.js";

/**
 * Roles in, running system out. Started by a person it supervises the processes of this machine; started by that
 * supervisor it is one of them. Exit codes: 0 asked to stop, 1 failed, 2 wrong usage or configuration.
 */
const usage = `usage: npm start -- [--roles a,b]
  --roles   run only these roles (default: FLEETLOG_ROLES, else all)
Everything else is configured by environment variables: docs/reference/configuration.md`;

function configure(): Config {
  const environment = { ...process.env };
  try {
    const { values } = parseArgs({ options: { roles: { type: "string" }, help: { type: "boolean" } } });
    if (values.help === true) {
      process.stderr.write(`${usage}\n`);
      process.exit(0);
    }
    if (values.roles !== undefined) environment["FLEETLOG_ROLES"] = values.roles;
    return readConfig(environment);
  } catch (error) {
    const isUsage = !(error instanceof ConfigError);
    process.stderr.write(`${messageOf(error)}\n${isUsage ? `${usage}\n` : ""}`);
    process.exit(2);
  }
}

async function start(config: Config): Promise<Running> {
  const logger = createLogger({ level: config.FLEETLOG_LOG_LEVEL, name: config.FLEETLOG_PROCESS });
  for (const warning of config.warnings) logger.warn(warning);
  if (process.send !== undefined) return runRoles(config, logger);
  const platform = await startPlatform({
    config,
    environment: process.env,
    logger,
    onProgress: (step) => logger.info(step),
  });
  const { httpUrl, httpsUrl, mqttUrl, mqttsUrl, coapUrl, coapsUrl } = platform;
  const { natsUrl, eventstoreUrl, mongoUrl, influxUrl } = platform;
  logger.info(
    { httpUrl, httpsUrl, mqttUrl, mqttsUrl, coapUrl, coapsUrl, natsUrl, eventstoreUrl, mongoUrl, influxUrl },
    "Fleetlog is up",
  );
  return platform;
}

const config = configure();
const logger = createLogger({ level: config.FLEETLOG_LOG_LEVEL, name: config.FLEETLOG_PROCESS });
const started = start(config);
let stopping = false;

async function stop(why: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  logger.info({ why }, "stopping: finishing what was accepted");
  try {
    await (await started).stop();
    logger.info("stopped");
    process.exit(0);
  } catch (error) {
    logger.error({ error: messageOf(error) }, "did not stop cleanly");
    process.exit(1);
  }
}

process.on("SIGTERM", () => void stop("SIGTERM"));
process.on("SIGINT", () => void stop("SIGINT"));
whenParentGone(() => void stop("the supervisor is gone"));
process.on("unhandledRejection", (reason) => {
  // A defect of ours. The process ends and starts clean: going on with half a state would be worse than a second's pause.
  logger.fatal(
    { error: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason) },
    "unhandled rejection",
  );
  process.exit(1);
});

try {
  await started;
} catch (error) {
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
  logger.fatal(
    { error: isFleetlogError(error) || !(error instanceof Error) ? messageOf(error) : error.stack },
    "could not start",
  );
  process.exit(1);
}
