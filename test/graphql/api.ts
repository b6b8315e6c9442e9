import type { Client } from "graphql-ws";
import { createClient } from "graphql-ws";
import type { FastifyInstance } from "fastify";
import { WebSocket } from "ws";
import type { UserRole } from "../../src/commands/index.js";
import { PLATFORM } from "../../src/commands/index.js";
import type { NatsConnection } from "../../src/engines/nats.js";
import { connectInflux } from "../../src/engines/influx.js";
import type { GraphqlDeps, GraphqlOptions } from "../../src/graphql/index.js";
import { createGraphqlRoutes } from "../../src/graphql/index.js";
import {
  createHorizons,
  createIngest,
  createRegistry,
  createRejectionQueries,
  createRejectionReplay,
  createQualityQueries,
  createRetentionPreview,
  createUsageQueries,
  createTelemetryQueries,
  openMarks,
} from "../../src/ingest/index.js";
import type { Ingest, Registry } from "../../src/ingest/index.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import { createRebuilds, requestRebuild } from "../../src/projections/index.js";
import { issueToken, registerExport, startHttpServer, verifyToken } from "../../src/rest/index.js";
import { waitFor } from "../support/wait-for.js";
import type { River } from "../support/river.js";
import { startRiver } from "../support/river.js";

export const SECRET = "a secret of at least thirty-two characters";

export interface GraphqlError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: {
    readonly code: string;
    readonly correlationId?: string;
    readonly details?: Readonly<Record<string, unknown>>;
  };
}

export interface Answer {
  readonly status: number;
  /** Whatever was asked for: the tests say what they expect of it. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly data: any;
  readonly errors: readonly GraphqlError[];
  /** The codes of the errors, in their order. */
  readonly codes: readonly string[];
}

/** The API as a client meets it: a real server on a real port before the real river. */
export interface Api {
  readonly river: River;
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly url: string;
  readonly metrics: () => Promise<string>;
  token(tenant: string, role?: UserRole, ttlSeconds?: number): Promise<string>;
  platformToken(): Promise<string>;
  /** POSTs an operation; `token` undefined asks as nobody. */
  ask(token: string | undefined, query: string, variables?: Record<string, unknown>): Promise<Answer>;
  /** As `ask`, for what a test needs before it begins: throws on errors, and gives the data. */
  must(token: string, query: string, variables?: Record<string, unknown>): Promise<Answer["data"]>;
  /** A graphql-ws client that does not try again. */
  socket(token: string | undefined): Client;
  stop(): Promise<void>;
}

/** A token as the platform issues it. */
const token: Api["token"] = (tenant, role = "ADMIN", ttlSeconds = 600) =>
  issueToken(SECRET, { subject: `${role.toLowerCase()}@example.org`, tenant, role }, ttlSeconds);

export interface ApiOptions extends GraphqlOptions {
  readonly influx?: boolean;
  readonly lastSeen?: GraphqlDeps["lastSeen"];
  /** The way that the API goes to NATS, given the server's URL; the server itself when left out. */
  readonly natsVia?: (url: string) => Promise<NatsConnection>;
}

export async function startApi(options: ApiOptions = {}): Promise<Api> {
  const river = await startRiver({ influx: options.influx ?? false });
  const { client, mongo, commands, readModels, shown, engines } = river;
  const nats = (await options.natsVia?.(engines.natsUrl)) ?? river.nats;
  const metrics = createMetrics();
  // Without InfluxDB telemetry is not asked for; were it, it would say that nobody is there.
  const influx = connectInflux({ url: engines.influxUrl || "http://127.0.0.1:9", org: "fleetlog", bucket: "fleetlog" });
  const { devices, deviceTypes, tenants } = readModels;
  const registry = createRegistry({
    nc: nats,
    logger: silentLogger,
    findDevice: (tenant, device) => devices.find(tenant, device),
    findDeviceType: (tenant, type) => deviceTypes.find(tenant, type),
    findTenant: (tenant) => tenants.find(tenant),
    findDeviceByKey: (hash) => devices.findByKey(hash),
    findDeviceNamed: (tenant, gateway, name) => devices.findNamed(tenant, gateway, name),
  });
  const ingest = createIngest({ nc: nats, logger: silentLogger, metrics, maxReadingAgeMs: 366 * 86_400_000 });
  const rejections = createRejectionQueries(mongo.db);
  const horizons = createHorizons({
    marks: () => openMarks(river.nats),
    rulesOf: async (tenant) => (await readModels.tenants.find(tenant))?.retention ?? [],
  });
  const telemetry = createTelemetryQueries(influx, horizons);
  const exports = (app: FastifyInstance): void =>
    registerExport(app, {
      telemetry,
      devices: readModels.devices,
      authenticate: (token) => verifyToken(SECRET, token),
    });
  const routes = createGraphqlRoutes(
    {
      commands,
      readModels,
      shown,
      eventStore: client,
      nats,
      telemetry,
      previewRetention: createRetentionPreview(influx),
      quality: createQualityQueries(influx),
      usage: createUsageQueries(mongo.db),
      rejections: {
        ...rejections,
        ...createRejectionReplay({ ingest, registry, rejections }),
      },
      lastSeen: options.lastSeen ?? ((_tenant, ids) => Promise.resolve(ids.map(() => undefined))),
      rebuildProjection: (name) => requestRebuild(nats, name),
      rebuilds: createRebuilds(mongo.db),
      authenticate: (token) => verifyToken(SECRET, token),
      logger: silentLogger,
      metrics,
    },
    options,
  );
  const server = await startHttpServer(
    { logger: silentLogger, health: () => [], metrics: () => metrics.metrics(), register: [routes, exports] },
    { port: 0, host: "127.0.0.1" },
  );
  const sockets = new Set<Client>();
  const ask: Api["ask"] = async (bearer, query, variables = {}) => {
    const response = await fetch(`${server.url}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      body: JSON.stringify({ query, variables }),
    });
    const body = (await response.json()) as { data?: unknown; errors?: readonly GraphqlError[] };
    const errors = body.errors ?? [];
    return {
      status: response.status,
      data: body.data,
      errors,
      codes: errors.map(({ extensions }) => extensions.code),
    };
  };

  return {
    river,
    ingest,
    registry,
    url: server.url,
    metrics: () => metrics.metrics(),
    token,
    platformToken: () => token(PLATFORM),
    ask,
    async must(bearer, query, variables) {
      const { data, errors } = await ask(bearer, query, variables);
      if (errors.length > 0) throw new Error(`the API refused: ${JSON.stringify(errors)}`);
      return data;
    },
    socket(bearer) {
      const socket = createClient({
        url: `${server.url.replace("http", "ws")}/graphql`,
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        lazyCloseTimeout: 0,
        onNonLazyError: () => undefined,
        ...(bearer === undefined ? {} : { connectionParams: { authorization: `Bearer ${bearer}` } }),
      });
      sockets.add(socket);
      return socket;
    },
    async stop() {
      for (const socket of sockets) await socket.dispose();
      await server.stop();
      await ingest.stop();
      await registry.stop();
      if (nats !== river.nats) await nats.close();
      await river.stop();
    },
  };
}

/** What a subscription has given so far, and how it ended. */
export interface Followed {
  readonly results: readonly { readonly data?: unknown; readonly errors?: readonly GraphqlError[] }[];
  readonly ended: "completed" | undefined;
  /** What it failed with: GraphQL errors, or the close of the socket. */
  readonly failure: unknown;
  stop(): void;
}

export function follow(socket: Client, query: string, variables: Record<string, unknown> = {}): Followed {
  const results: Followed["results"][number][] = [];
  const followed: { ended: Followed["ended"]; failure: unknown } = { ended: undefined, failure: undefined };
  const stop = socket.subscribe(
    { query, variables },
    {
      next: (result) => results.push(result as Followed["results"][number]),
      error: (error) => {
        followed.failure = error;
      },
      complete: () => {
        followed.ended = "completed";
      },
    },
  );
  return {
    results,
    get ended() {
      return followed.ended;
    },
    get failure() {
      return followed.failure;
    },
    stop,
  };
}

/** Waits until the server listens on so many subjects more than before: a subscription that NATS does not know of yet misses what comes. */
export async function subscribed(api: Api, count: number): Promise<void> {
  await waitFor(async () => (await api.metrics()).includes(`fleetlog_graphql_subscriptions ${count}`), {
    what: `${count} subscriptions`,
  });
  await api.river.nats.flush();
}
