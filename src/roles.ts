import type { Server } from "node:http";
import type { Container } from "inversify";
import {
  createDeviceActivityQueries,
  startDeviceActivity,
  startDeviceReports,
  startOrphanedAlerts,
} from "./commands/processes/index.js";
import type { Role } from "./config.js";
import { tokens } from "./container.js";
import { monitorEngines } from "./engines/monitor.js";
import { createGraphqlRoutes } from "./graphql/index.js";
import {
  createMqttDoor,
  createQualityQueries,
  createRetentionPreview,
  createUsageQueries,
  createSweeper,
  readMapping,
  registerDeviceRoutes,
  serveMqttOverWebSocket,
  startBridge,
  startCoapDoor,
  startCoapsDoor,
  startMqttGateway,
  startNatsDoor,
  startRejectionLedger,
  startRelay,
  startRollups,
  startUsageKeeper,
  startWriter,
} from "./ingest/index.js";
import type { MqttGateway } from "./ingest/index.js";
import type { HasHealth, PartHealth, Running } from "./platform/lifecycle.js";
import { Gauge } from "./platform/metrics.js";
import type { Registry as Metrics } from "./platform/metrics.js";
import { startProcessor } from "./processing/index.js";
import { createRebuilds, requestRebuild, startProjector } from "./projections/index.js";
import type { TenantDocument } from "./projections/index.js";
import { createTokenVerifier, registerExport, startHttpServer } from "./rest/index.js";

export interface StartedRoles extends HasHealth {
  /** Where the doors of this process listen. */
  readonly ports: Readonly<Record<string, number>>;
}

type Part = Running & HasHealth;

/** What a role runs, each with the name under which it is stopped. They start in the order written. */
const roleParts: Readonly<
  Record<Exclude<Role, "engines" | "api" | "gateway">, (container: Container) => readonly (readonly [string, Part])[]>
> = {
  writer: (container) => {
    const { config, logger, metrics } = container.get(tokens.process);
    const nc = container.get(tokens.nats);
    const influx = container.get(tokens.influx);
    const owner = config.FLEETLOG_NODE_ID ?? "fleetlog";
    const { tenants } = container.get(tokens.readModels);
    const sweeper = createSweeper({ influx, tenants: () => retentionOf(tenants.all()), logger, metrics });
    return [
      ["writer", startWriter({ nc, influx, logger, metrics })],
      ["relay", startRelay({ nc, logger })],
      ["rollups", startRollups({ nc, influx, logger, metrics, owner, sweeper })],
    ];
  },
  processor: (container) => {
    const { logger, metrics } = container.get(tokens.process);
    const { alertRules } = container.get(tokens.readModels);
    const { db } = container.get(tokens.mongo);
    const nc = container.get(tokens.nats);
    return [
      ["processor", startProcessor({ nc, db, commands: container.get(tokens.commands), alertRules, logger, metrics })],
    ];
  },
  projector: (container) => {
    const { config, logger } = container.get(tokens.process);
    const client = container.get(tokens.eventstore);
    const { db } = container.get(tokens.mongo);
    const owner = config.FLEETLOG_NODE_ID ?? "fleetlog";
    return [["projector", startProjector({ client, db, nats: container.get(tokens.nats), logger, owner })]];
  },
  workflows: (container) => {
    const { config, logger, metrics } = container.get(tokens.process);
    const nc = container.get(tokens.nats);
    const { db } = container.get(tokens.mongo);
    const commands = container.get(tokens.commands);
    const { devices, alerts } = container.get(tokens.readModels);
    const eventStore = container.get(tokens.eventstore);
    const options = { graceSeconds: config.FLEETLOG_OFFLINE_GRACE_SECONDS };
    const activity = startDeviceActivity({ nc, db, commands, devices, logger, metrics }, options);
    return [
      ["device activity", activity],
      ["device reports", startDeviceReports({ nc, db, commands, activity, logger, metrics }, options)],
      ["orphaned alerts", startOrphanedAlerts({ nc, eventStore, commands, alerts, logger })],
      ["usage keeper", startUsageKeeper({ nc, db, logger })],
      [
        "rejection ledger",
        startRejectionLedger({ nc, db, logger, metrics }, { perTenant: config.FLEETLOG_REJECTIONS_PER_TENANT }),
      ],
    ];
  },
};

/** Starts the roles of this process, the engines excepted, in the order in which data flows out of them: doors last, so that they close first. */
export async function startRoles(container: Container): Promise<StartedRoles> {
  const { config, logger, lifecycle, others } = container.get(tokens.process);
  const parts: HasHealth[] = [];
  const keep = <T extends Part>(name: string, part: T): T => {
    parts.push(part);
    return lifecycle.add(name, part);
  };
  const engines = {
    eventstore: container.get(tokens.eventstore),
    db: container.get(tokens.mongo).db,
    nats: container.get(tokens.nats),
    influx: container.get(tokens.influx),
  };
  keep("engine monitor", monitorEngines(engines, logger));
  for (const role of ["projector", "workflows", "writer", "processor"] as const) {
    if (!config.FLEETLOG_ROLES.includes(role)) continue;
    for (const [name, part] of roleParts[role](container)) keep(name, part);
  }
  const health = (): readonly PartHealth[] => parts.flatMap((part) => part.health());
  measureHealth(container.get(tokens.process).metrics, health);
  const ports: Record<string, number> = {};
  if (config.FLEETLOG_ROLES.includes("gateway") || config.FLEETLOG_ROLES.includes("api")) {
    parts.push(await container.get(tokens.certificate)());
  }
  const http = await startHttp(container, () => merge([...health(), ...others.health()]), parts);
  Object.assign(ports, http.ports);
  if (config.FLEETLOG_ROLES.includes("gateway")) {
    const { port, tlsPort, door } = await startGateway(container, keep);
    ports["mqtt"] = port;
    if (tlsPort !== undefined) ports["mqtts"] = tlsPort;
    for (const server of http.servers) serveMqttOverWebSocket(server, door);
    Object.assign(ports, await startCoap(container, keep));
  } else if (config.FLEETLOG_ROLES.includes("api")) {
    // The public HTTP port is the API's, so MQTT over WebSocket comes in here; sessions are shared with the gateways.
    const [deps, options] = mqttDoor(container);
    const door = keep("MQTT over WebSocket", await createMqttDoor(deps, { ...options, name: "mqtt-websocket" }));
    for (const server of http.servers) serveMqttOverWebSocket(server, door);
  }
  return { ports, health };
}

async function startGateway(
  container: Container,
  keep: <T extends Part>(name: string, part: T) => T,
): Promise<MqttGateway> {
  const { config, logger } = container.get(tokens.process);
  const registry = container.get(tokens.devices);
  const ingest = container.get(tokens.ingest);
  keep(
    "NATS door",
    startNatsDoor({
      nc: container.get(tokens.nats),
      ingest,
      registry,
      logger,
      maxPayloadBytes: config.FLEETLOG_MAX_PAYLOAD_BYTES,
    }),
  );
  const [deps, options] = mqttDoor(container);
  const gateway = await startMqttGateway(deps, {
    ...options,
    host: config.FLEETLOG_HOST,
    port: config.FLEETLOG_MQTT_PORT,
    tls: { port: config.FLEETLOG_MQTTS_PORT, certificate: await container.get(tokens.certificate)() },
  });
  keep("MQTT gateway", gateway);
  startBridgeIn(container, keep);
  return gateway;
}

function startBridgeIn(container: Container, keep: <T extends Part>(name: string, part: T) => T): void {
  const { config, logger, metrics } = container.get(tokens.process);
  const url = config.MQTT_BROKER_URL;
  if (url === undefined) return;
  const options = {
    url,
    rules: readMapping(config.FLEETLOG_BRIDGE_MAPPING),
    owner: config.FLEETLOG_NODE_ID ?? "fleetlog",
    clients: config.FLEETLOG_BRIDGE_CLIENTS,
    maxPayloadBytes: config.FLEETLOG_MAX_PAYLOAD_BYTES,
  };
  const deps = { ingest: container.get(tokens.ingest), registry: container.get(tokens.devices), logger, metrics };
  keep("bridge", startBridge(deps, options));
}

function mqttDoor(container: Container): Parameters<typeof createMqttDoor> {
  const { config, logger } = container.get(tokens.process);
  const nc = container.get(tokens.nats);
  return [
    { nc, ingest: container.get(tokens.ingest), registry: container.get(tokens.devices), logger },
    {
      maxPayloadBytes: config.FLEETLOG_MAX_PAYLOAD_BYTES,
      maxConnections: config.FLEETLOG_MAX_CONNECTIONS,
      maxSessionExpirySeconds: config.FLEETLOG_MAX_SESSION_EXPIRY_SECONDS,
    },
  ];
}

/** CoAP over UDP, and over DTLS with the certificate of all doors. */
async function startCoap(
  container: Container,
  keep: <T extends Part>(name: string, part: T) => T,
): Promise<Readonly<Record<string, number>>> {
  const { config, logger } = container.get(tokens.process);
  const deps = { ingest: container.get(tokens.ingest), registry: container.get(tokens.devices), logger };
  const options = { host: config.FLEETLOG_HOST, maxPayloadBytes: config.FLEETLOG_MAX_PAYLOAD_BYTES };
  const coap = keep("CoAP door", await startCoapDoor(deps, { ...options, port: config.FLEETLOG_COAP_PORT }));
  const certificate = await container.get(tokens.certificate)();
  const secure = { ...options, port: config.FLEETLOG_COAPS_PORT, certificate };
  const coaps = keep("CoAP door with DTLS", await startCoapsDoor(deps, secure));
  return { coap: coap.port, coaps: coaps.port };
}

/** Every process has an HTTP server for its health and metrics; with `api` it serves GraphQL too, with `api` or `gateway` the devices' HTTP door. */
async function startHttp(
  container: Container,
  health: () => readonly PartHealth[],
  parts: HasHealth[],
): Promise<{ readonly ports: Readonly<Record<string, number>>; readonly servers: readonly Server[] }> {
  const { config, logger, lifecycle } = container.get(tokens.process);
  const roles = config.FLEETLOG_ROLES;
  const servers: Server[] = [];
  const register: Parameters<typeof startHttpServer>[0]["register"] = [
    ...(roles.includes("api") ? [graphqlRoutes(container), exportRoutes(container)] : []),
    ...(roles.includes("api") || roles.includes("gateway") ? [deviceRoutes(container, parts)] : []),
    (app) => void servers.push(app.server),
  ];
  const server = await startHttpServer(
    { logger, health, metrics: container.get(tokens.prometheus), register, graphiql: roles.includes("api") },
    // Port 0 is what the supervisor gives to a process whose HTTP server is for health and metrics only: nobody's business outside.
    config.FLEETLOG_HTTP_PORT === 0
      ? { port: 0, host: "127.0.0.1" }
      : {
          port: config.FLEETLOG_HTTP_PORT,
          host: config.FLEETLOG_HOST,
          tls: { port: config.FLEETLOG_HTTPS_PORT, certificate: await container.get(tokens.certificate)() },
        },
  );
  lifecycle.add("HTTP server", server);
  const ports = { http: server.port, ...(server.tlsPort === undefined ? {} : { https: server.tlsPort }) };
  return { ports, servers };
}

type Routes = NonNullable<Parameters<typeof startHttpServer>[0]["register"]>[number];

function deviceRoutes(container: Container, parts: HasHealth[]): Routes {
  const { config, logger } = container.get(tokens.process);
  const ingest = container.get(tokens.ingest);
  const registry = container.get(tokens.devices);
  parts.push(ingest, registry);
  const maxPayloadBytes = config.FLEETLOG_MAX_PAYLOAD_BYTES;
  return (app) => registerDeviceRoutes(app, { ingest, registry, logger, maxPayloadBytes });
}

function graphqlRoutes(container: Container): Routes {
  const { logger, metrics } = container.get(tokens.process);
  const nats = container.get(tokens.nats);
  const activity = createDeviceActivityQueries(container.get(tokens.mongo).db);
  return createGraphqlRoutes({
    commands: container.get(tokens.commands),
    readModels: container.get(tokens.readModels),
    shown: container.get(tokens.shown),
    rebuilds: createRebuilds(container.get(tokens.mongo).db),
    eventStore: container.get(tokens.eventstore),
    nats,
    telemetry: container.get(tokens.telemetry),
    previewRetention: createRetentionPreview(container.get(tokens.influx)),
    quality: createQualityQueries(container.get(tokens.influx)),
    usage: createUsageQueries(container.get(tokens.mongo).db),
    rejections: container.get(tokens.rejections),
    lastSeen: (tenantId, deviceIds) => activity.lastSeen(tenantId, deviceIds),
    rebuildProjection: (name) => requestRebuild(nats, name),
    authenticate: createTokenVerifier(secretOf(container)),
    logger,
    metrics,
  });
}

function exportRoutes(container: Container): Routes {
  const { devices } = container.get(tokens.readModels);
  const authenticate = createTokenVerifier(secretOf(container));
  return (app) => registerExport(app, { telemetry: container.get(tokens.telemetry), devices, authenticate });
}

function secretOf(container: Container): string {
  const secret = container.get(tokens.process).config.FLEETLOG_TOKEN_SECRET;
  if (secret !== undefined) return secret;
  throw new Error("FLEETLOG_TOKEN_SECRET is not set: the supervisor sets it for the processes that it starts");
}

async function* retentionOf(tenants: AsyncIterable<TenantDocument>) {
  for await (const { tenantId, retention } of tenants) {
    if (retention !== undefined && retention.length > 0) yield { tenant: tenantId, rules: retention };
  }
}

/** What /readyz says, as Prometheus reads it: for alarms on a part that is down, and on lag that grows. */
function measureHealth(metrics: Metrics, health: () => readonly PartHealth[]): void {
  const states = { up: 1, degraded: 0.5, down: 0 } as const;
  const state = new Gauge({
    name: "fleetlog_part_state",
    help: "1 up, 0.5 degraded, 0 down",
    labelNames: ["part"],
    registers: [],
    collect() {
      this.reset();
      for (const part of health()) this.set({ part: part.name }, states[part.state]);
    },
  });
  const lag = new Gauge({
    name: "fleetlog_part_lag",
    help: "What waits, in the unit that the label says",
    labelNames: ["part", "unit"],
    registers: [],
    collect() {
      this.reset();
      for (const part of health()) {
        if (part.lag !== undefined) this.set({ part: part.name, unit: part.lagUnit ?? "messages" }, part.lag);
      }
    },
  });
  metrics.registerMetric(state);
  metrics.registerMetric(lag);
}

/** One line a part: where several processes see the same engine, the worst that any of them sees. */
function merge(parts: readonly PartHealth[]): readonly PartHealth[] {
  const rank = { up: 0, degraded: 1, down: 2 } as const;
  const worst = new Map<string, PartHealth>();
  for (const part of parts) {
    const other = worst.get(part.name);
    if (other === undefined || rank[part.state] > rank[other.state]) worst.set(part.name, part);
  }
  return [...worst.values()];
}
