import { resolve } from "node:path";
import type { Config } from "../config.js";
import { ConfigError } from "../config.js";
import { startInflux, startNats } from "../embedded/processes/index.js";
import type { LocalServer } from "../embedded/processes/index.js";
import type { Lifecycle } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import type { RoleProcesses } from "./role-processes.js";

export interface EngineUrls {
  readonly NATS_URL: string;
  readonly INFLUX_URL: string;
  readonly EVENTSTORE_URL: string;
  readonly MONGODB_URL: string;
}

export interface LocalEngines {
  readonly urls: EngineUrls;
  /** The programs of others that run beside us. */
  readonly servers: readonly (LocalServer & { readonly name: string })[];
}

const LOOPBACK = "127.0.0.1";

/** Starts a local one of each engine whose URL is not configured. Throws ConfigError where that is not wanted, naming every URL that is missing. */
export async function startLocalEngines(deps: {
  readonly config: Config;
  readonly dataDir: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly processes: RoleProcesses;
  readonly lifecycle: Lifecycle;
  readonly logger: Logger;
  readonly onProgress: (step: string) => void;
}): Promise<LocalEngines> {
  const { config, dataDir, environment, processes, lifecycle, logger, onProgress } = deps;
  refuseMissing(config);
  const servers: (LocalServer & { readonly name: string })[] = [];
  let { NATS_URL, INFLUX_URL, EVENTSTORE_URL, MONGODB_URL } = config;
  if (NATS_URL === undefined) {
    onProgress("starting nats-server");
    const port = config.FLEETLOG_NATS_PORT;
    const nats = await startNats({ dataDir: resolve(dataDir, "nats"), port, logger, onProgress });
    servers.push({ ...lifecycle.add("nats-server", nats), name: "nats-server" });
    NATS_URL = nats.url;
  }
  if (INFLUX_URL === undefined) {
    onProgress("starting influxd");
    const port = config.FLEETLOG_INFLUX_PORT;
    const influx = await startInflux({ dataDir: resolve(dataDir, "influx"), port, logger, onProgress });
    servers.push({ ...lifecycle.add("influxd", influx), name: "influxd" });
    INFLUX_URL = influx.url;
  }
  if (EVENTSTORE_URL === undefined || MONGODB_URL === undefined) {
    onProgress("starting the embedded event store and document store");
    const { ports } = await processes.start("engines", ["engines"], environment, [
      { variable: "FLEETLOG_EVENTSTORE_PORT", preferred: config.FLEETLOG_EVENTSTORE_PORT, host: LOOPBACK },
      { variable: "FLEETLOG_DOCUMENTS_PORT", preferred: config.FLEETLOG_DOCUMENTS_PORT, host: LOOPBACK },
    ]);
    EVENTSTORE_URL ??= `esdb://${LOOPBACK}:${ports["FLEETLOG_EVENTSTORE_PORT"]}?tls=false`;
    MONGODB_URL ??= `mongodb://${LOOPBACK}:${ports["FLEETLOG_DOCUMENTS_PORT"]}/?directConnection=true`;
  }
  return { urls: { NATS_URL, INFLUX_URL, EVENTSTORE_URL, MONGODB_URL }, servers };
}

function refuseMissing(config: Config): void {
  if (config.FLEETLOG_ROLES.includes("engines")) return;
  const urls = ["EVENTSTORE_URL", "MONGODB_URL", "NATS_URL", "INFLUX_URL"] as const;
  const missing = urls.filter((key) => config[key] === undefined);
  if (missing.length === 0) return;
  throw new ConfigError(
    missing.map(
      (key) => `${key} is not set, and the role "engines", which would start a local one, is not in FLEETLOG_ROLES`,
    ),
  );
}
