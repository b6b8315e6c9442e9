import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config, Role } from "./config.js";
import { ConfigError } from "./config.js";
import { nodeIdOf, removeAddresses, tokenSecretOf, writeAddresses } from "./data-dir.js";
import { choosePort, lockDataDir, startInflux, startNats, startNodeProcess } from "./embedded/processes/index.js";
import type { SupervisedChild } from "./embedded/processes/index.js";
import { FleetlogError } from "./platform/errors.js";
import type { HasHealth, PartHealth, Running } from "./platform/lifecycle.js";
import { Lifecycle } from "./platform/lifecycle.js";
import type { Logger } from "./platform/logger.js";
import { parseProcessMessage, REPORT_EVERY_MS } from "./process-report.js";
import type { ProcessReport } from "./process-report.js";

/**
 * How the roles share the processes of one machine, in the order they start; they stop the other way round, so doors
 * close before the pipes behind them. The gateway has a process of its own because it is the busiest, and the
 * read side one of its own so that no query slows an acknowledgement.
 */
const processes: readonly { readonly name: string; readonly roles: readonly Role[] }[] = [
  { name: "telemetry", roles: ["writer", "processor"] },
  { name: "api", roles: ["projector", "workflows", "api"] },
  { name: "gateway", roles: ["gateway"] },
];

/** Needed to start, and to be found. */
export interface Platform extends Running, HasHealth {
  readonly httpUrl: string | undefined;
  readonly mqttUrl: string | undefined;
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

const privateHttp = { FLEETLOG_HTTP_PORT: "0" } as const;

/**
 * Messages live for some milliseconds, longer than a small nursery lasts at full load: with V8's default they are
 * copied into the old generation by the hundred thousand. With 64 MB a fifth more messages were acknowledged.
 */
const nodeArgs = ["--max-semi-space-size=64", "--enable-source-maps"];

/** The program that each child runs. */
const mainScript = fileURLToPath(new URL("./main.js", import.meta.url));

/** Starts what is configured on this machine and keeps it alive. Throws FleetlogError when a part cannot start; nothing is left running then. */
export async function startPlatform(options: SupervisorOptions): Promise<Platform> {
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

  const children = new Map<string, SupervisedChild>();
  const reports = new Map<string, ProcessReport>();
  const servers: (HasHealth & { readonly name: string; pid(): number | undefined })[] = [];
  const tokenSecret = config.FLEETLOG_TOKEN_SECRET ?? tokenSecretOf(dataDir);
  let shared: NodeJS.ProcessEnv = {
    ...options.environment,
    FLEETLOG_DATA_DIR: dataDir,
    FLEETLOG_TOKEN_SECRET: tokenSecret,
    FLEETLOG_NODE_ID: nodeIdOf(dataDir),
    // graphql-js checks every value of every answer a second time unless it is told that this is no workshop.
    NODE_ENV: options.environment["NODE_ENV"] ?? "production",
  };

  async function startProcess(
    name: string,
    roles: readonly Role[],
    extra: NodeJS.ProcessEnv = {},
  ): Promise<Readonly<Record<string, number>>> {
    let ports: Readonly<Record<string, number>> = {};
    const child = await startNodeProcess({
      name,
      script: mainScript,
      nodeArgs,
      env: { ...shared, FLEETLOG_ROLES: roles.join(","), FLEETLOG_PROCESS: name, ...extra },
      pidFile: resolve(dataDir, "run", `${name}.pid`),
      logger,
      readyWithinMs: 120_000,
      graceMs: 30_000,
      isReady: (message) => parseProcessMessage(message)?.type === "ready",
      onMessage: (raw) => {
        const message = parseProcessMessage(raw);
        if (message?.type === "ready") ports = message.ports;
        if (message?.type === "report") {
          reports.set(name, message);
          if (name !== "api") children.get("api")?.send(message);
        }
      },
    });
    children.set(name, lifecycle.add(name, child));
    return ports;
  }

  async function startLocalServers(): Promise<NodeJS.ProcessEnv> {
    if (!config.FLEETLOG_ROLES.includes("engines")) {
      const missing = (["EVENTSTORE_URL", "MONGODB_URL", "NATS_URL", "INFLUX_URL"] as const).filter(
        (key) => config[key] === undefined,
      );
      if (missing.length > 0) {
        throw new ConfigError(
          missing.map(
            (key) =>
              `${key} is not set, and the role "engines", which would start a local one, is not in FLEETLOG_ROLES`,
          ),
        );
      }
      return {};
    }
    const urls: NodeJS.ProcessEnv = {};
    if (config.NATS_URL === undefined) {
      onProgress("starting nats-server");
      const nats = await startNats({
        dataDir: resolve(dataDir, "nats"),
        port: config.FLEETLOG_NATS_PORT,
        logger,
        onProgress,
      });
      servers.push({ name: "nats-server", health: () => nats.health(), pid: () => nats.pid() });
      lifecycle.add("nats-server", nats);
      urls["NATS_URL"] = nats.url;
    }
    if (config.INFLUX_URL === undefined) {
      onProgress("starting influxd");
      const influx = await startInflux({
        dataDir: resolve(dataDir, "influx"),
        port: config.FLEETLOG_INFLUX_PORT,
        logger,
        onProgress,
      });
      servers.push({ name: "influxd", health: () => influx.health(), pid: () => influx.pid() });
      lifecycle.add("influxd", influx);
      urls["INFLUX_URL"] = influx.url;
    }
    if (config.EVENTSTORE_URL === undefined || config.MONGODB_URL === undefined) {
      onProgress("starting the embedded event store and document store");
      const eventstore = await choosePort(config.FLEETLOG_EVENTSTORE_PORT);
      const documents = await choosePort(config.FLEETLOG_DOCUMENTS_PORT);
      shared = { ...shared, FLEETLOG_EVENTSTORE_PORT: String(eventstore), FLEETLOG_DOCUMENTS_PORT: String(documents) };
      await startProcess("engines", ["engines"]);
      if (config.EVENTSTORE_URL === undefined) urls["EVENTSTORE_URL"] = `esdb://127.0.0.1:${eventstore}?tls=false`;
      if (config.MONGODB_URL === undefined)
        urls["MONGODB_URL"] = `mongodb://127.0.0.1:${documents}/?directConnection=true`;
    }
    return urls;
  }

  shared = { ...shared, ...(await startLocalServers()) };
  const httpPort = await choosePort(config.FLEETLOG_HTTP_PORT, config.FLEETLOG_HOST);
  const mqttPort = await choosePort(config.FLEETLOG_MQTT_PORT, config.FLEETLOG_HOST);
  shared = { ...shared, FLEETLOG_HTTP_PORT: String(httpPort), FLEETLOG_MQTT_PORT: String(mqttPort) };
  const ports: Record<string, number> = {};
  const wanted = processes
    .map(({ name, roles }) => ({ name, roles: roles.filter((role) => config.FLEETLOG_ROLES.includes(role)) }))
    .filter(({ roles }) => roles.length > 0);
  // One process has the public HTTP port: the API's where there is one. The others answer for their health on a port of their own.
  const front = wanted.find(({ name }) => name === "api") ?? wanted.at(-1);
  for (const process of wanted) {
    onProgress(`starting ${process.roles.join(", ")}`);
    const isFront = process === front;
    const opened = await startProcess(process.name, process.roles, isFront ? {} : privateHttp);
    if (isFront && opened["http"] !== undefined) ports["http"] = opened["http"];
    if (opened["mqtt"] !== undefined) ports["mqtt"] = opened["mqtt"];
  }

  const own = (): readonly PartHealth[] =>
    [...children.values(), ...servers].flatMap((part) =>
      part.health().map((health) => ({ ...health, name: `process ${health.name}` })),
    );
  const telling = setInterval(() => {
    children.get("api")?.send({ type: "report", process: "supervisor", parts: [...own()], metrics: [] });
  }, REPORT_EVERY_MS);
  lifecycle.add("reports", { stop: async () => clearInterval(telling) });

  const urlOf = (variable: string): string => {
    const url = shared[variable];
    if (url === undefined) throw new FleetlogError("INTERNAL", `${variable} was not decided`);
    return url;
  };
  const addresses = {
    httpUrl: ports["http"] === undefined ? undefined : `http://127.0.0.1:${ports["http"]}`,
    mqttUrl: ports["mqtt"] === undefined ? undefined : `mqtt://127.0.0.1:${ports["mqtt"]}`,
    natsUrl: urlOf("NATS_URL"),
  };
  writeAddresses(dataDir, addresses);
  lifecycle.add("addresses", { stop: async () => removeAddresses(dataDir) });
  return {
    ...addresses,
    influxUrl: urlOf("INFLUX_URL"),
    eventstoreUrl: urlOf("EVENTSTORE_URL"),
    mongoUrl: urlOf("MONGODB_URL"),
    tokenSecret,
    pids() {
      const running = new Map<string, number>();
      for (const [name, child] of children) {
        const pid = child.pid();
        if (pid !== undefined) running.set(name, pid);
      }
      for (const server of servers) {
        const pid = server.pid();
        if (pid !== undefined) running.set(server.name, pid);
      }
      return running;
    },
    health: () => [...own(), ...[...reports.values()].flatMap((report) => report.parts)],
    stop: () => lifecycle.stop(),
  };
}
