/** What each role of a process runs, put together from the container, and the doors last. */
import type { Container } from "inversify";
import { startDeviceActivity, startDeviceReports, startOrphanedAlerts } from "./commands/processes/index.js";
import type { Role } from "./config.js";
import { tokens } from "./container.js";
import { monitorEngines } from "./engines/monitor.js";
import { startHttp } from "./http-roles.js";
import {
  createMqttDoor,
  createSweeper,
  readMapping,
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
import { measureHealth, worstOfEach } from "./platform/health-metrics.js";
import type { HasHealth, PartHealth, Running } from "./platform/lifecycle.js";
import { startProcessor } from "./processing/index.js";
import { startProjector } from "./projections/index.js";
import type { TenantDocument } from "./projections/index.js";

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
  const http = await startHttp(container, () => worstOfEach([...health(), ...others.health()]), parts);
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

async function* retentionOf(tenants: AsyncIterable<TenantDocument>) {
  for await (const { tenantId, retention } of tenants) {
    if (retention !== undefined && retention.length > 0) yield { tenant: tenantId, rules: retention };
  }
}
