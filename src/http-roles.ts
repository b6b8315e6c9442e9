/** What the HTTP server of a process serves, by the roles that it has. */
import type { Server } from "node:http";
import type { Container } from "inversify";
import { createDeviceActivityQueries } from "./commands/processes/index.js";
import { tokens } from "./container.js";
import { createGraphqlRoutes } from "./graphql/index.js";
import {
  createQualityQueries,
  createRetentionPreview,
  createUsageQueries,
  registerDeviceRoutes,
} from "./ingest/index.js";
import type { HasHealth, PartHealth } from "./platform/lifecycle.js";
import { createRebuilds, requestRebuild } from "./projections/index.js";
import { createTokenVerifier, registerExport, startHttpServer } from "./rest/index.js";

/** Every process has an HTTP server for its health and metrics; with `api` it serves GraphQL too, with `api` or `gateway` the devices' HTTP door. */
export async function startHttp(
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
