import { resolve } from "node:path";
import { ConfigError } from "../config.js";
import type { Config } from "../config.js";
import { nodeIdOf, removeAddresses, tokenSecretOf, writeAddresses } from "../data-dir.js";
import { lockDataDir } from "../embedded/processes/index.js";
import { messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import { Lifecycle } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { REPORT_EVERY_MS } from "../process-report.js";
import { startLocalEngines } from "./local-engines.js";
import { frontOf, planProcesses } from "./plan.js";
import { createRoleProcesses } from "./role-processes.js";
import type { WantedPort } from "./role-processes.js";

/** Needed to start, and to be found. */
export interface Platform extends Running, HasHealth {
  readonly httpUrl: string | undefined;
  readonly httpsUrl: string | undefined;
  readonly mqttUrl: string | undefined;
  readonly mqttsUrl: string | undefined;
  readonly coapUrl: string | undefined;
  readonly coapsUrl: string | undefined;
  readonly natsUrl: string;
  readonly influxUrl: string;
  readonly eventstoreUrl: string;
  readonly mongoUrl: string;
  readonly tokenSecret: string;
  /** Of the children, by name: what a test kills. */
  pids(): ReadonlyMap<string, number>;
}

export interface SupervisorOptions {
  readonly config: Config;
  /** The environment that the children inherit; what the supervisor decides is added to it. */
  readonly environment: NodeJS.ProcessEnv;
  readonly logger: Logger;
  /** A line for people before each long step. */
  readonly onProgress: (step: string) => void;
}

type PortVariable = Extract<keyof Config, `FLEETLOG_${"HTTP" | "HTTPS" | "MQTT" | "MQTTS" | "COAP" | "COAPS"}_PORT`>;

/**
 * Starts what is configured on this machine and keeps it alive. Throws FleetlogError when a part cannot start, ConfigError
 * where the configuration keeps it from that; nothing is left running then.
 */
export async function startPlatform(options: SupervisorOptions): Promise<Platform> {
  await checkBridge(options.config);
  const lifecycle = new Lifecycle(options.logger);
  try {
    return await startAll(options, lifecycle);
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

async function startAll(options: SupervisorOptions, lifecycle: Lifecycle): Promise<Platform> {
  const { config, logger, onProgress } = options;
  const dataDir = resolve(config.FLEETLOG_DATA_DIR);
  const lock = lockDataDir(dataDir);
  lifecycle.add("data directory", { stop: async () => lock.release() });

  const tokenSecret = config.FLEETLOG_TOKEN_SECRET ?? tokenSecretOf(dataDir);
  const shared: NodeJS.ProcessEnv = {
    ...options.environment,
    FLEETLOG_DATA_DIR: dataDir,
    FLEETLOG_TOKEN_SECRET: tokenSecret,
    FLEETLOG_NODE_ID: config.FLEETLOG_NODE_ID ?? nodeIdOf(dataDir),
    // graphql-js checks every value of every answer a second time unless it is told that this is no workshop.
    NODE_ENV: options.environment["NODE_ENV"] ?? "production",
  };
  const processes = createRoleProcesses({ dataDir, logger, lifecycle });
  const { urls, servers } = await startLocalEngines({ ...options, dataDir, environment: shared, processes, lifecycle });

  const host = config.FLEETLOG_HOST;
  const want = (variable: PortVariable, protocol?: "udp"): WantedPort => {
    const wanted = { variable, preferred: config[variable], host };
    return protocol === undefined ? wanted : { ...wanted, protocol };
  };
  const frontDoors = [want("FLEETLOG_HTTP_PORT"), want("FLEETLOG_HTTPS_PORT")];
  const gatewayDoors = [
    want("FLEETLOG_MQTT_PORT"),
    want("FLEETLOG_MQTTS_PORT"),
    want("FLEETLOG_COAP_PORT", "udp"),
    want("FLEETLOG_COAPS_PORT", "udp"),
  ];
  const planned = planProcesses(config.FLEETLOG_ROLES);
  const front = frontOf(planned);
  const open: Record<string, number | undefined> = {};
  for (const { name, roles } of planned) {
    onProgress(`starting ${roles.join(", ")}`);
    const isFront = name === front?.name;
    const environment = { ...shared, ...urls, ...(isFront ? {} : { FLEETLOG_HTTP_PORT: "0" }) };
    const wanted = [...(isFront ? frontDoors : []), ...(roles.includes("gateway") ? gatewayDoors : [])];
    const { doors } = await processes.start(name, roles, environment, wanted);
    // The others' HTTP servers are for their own health.
    Object.assign(open, doors, isFront ? {} : { http: open["http"] });
  }

  const own = (): readonly PartHealth[] =>
    [...processes.health(), ...servers.flatMap((server) => server.health())].map((health) => ({
      ...health,
      name: `process ${health.name}`,
    }));
  const telling = setInterval(() => {
    processes.tellApi({ type: "report", process: "supervisor", parts: [...own()], metrics: [] });
  }, REPORT_EVERY_MS);
  lifecycle.add("reports", { stop: async () => clearInterval(telling) });

  const addresses = {
    httpUrl: urlOf("http", open["http"]),
    httpsUrl: urlOf("https", open["https"]),
    mqttUrl: urlOf("mqtt", open["mqtt"]),
    mqttsUrl: urlOf("mqtts", open["mqtts"]),
    coapUrl: urlOf("coap", open["coap"]),
    coapsUrl: urlOf("coaps", open["coaps"]),
    natsUrl: urls.NATS_URL,
  };
  writeAddresses(dataDir, addresses);
  lifecycle.add("addresses", { stop: async () => removeAddresses(dataDir) });
  return {
    ...addresses,
    influxUrl: urls.INFLUX_URL,
    eventstoreUrl: urls.EVENTSTORE_URL,
    mongoUrl: urls.MONGODB_URL,
    tokenSecret,
    pids() {
      const running = new Map(processes.pids());
      for (const server of servers) {
        const pid = server.pid();
        if (pid !== undefined) running.set(server.name, pid);
      }
      return running;
    },
    health: () => [...own(), ...processes.reports().flatMap((report) => report.parts)],
    stop: () => lifecycle.stop(),
  };
}

/** A gateway that finds the mistake itself would be started again and again. Loaded where there is a bridge only: a supervisor is small. */
async function checkBridge({ FLEETLOG_ROLES, MQTT_BROKER_URL, FLEETLOG_BRIDGE_MAPPING }: Config): Promise<void> {
  if (MQTT_BROKER_URL === undefined || !FLEETLOG_ROLES.includes("gateway")) return;
  const { readMapping } = await import("../ingest/index.js");
  try {
    readMapping(FLEETLOG_BRIDGE_MAPPING);
  } catch (error) {
    throw new ConfigError([messageOf(error).replaceAll("\n", "\n  ")]);
  }
}

function urlOf(scheme: string, port: number | undefined): string | undefined {
  return port === undefined ? undefined : `${scheme}://127.0.0.1:${port}`;
}
