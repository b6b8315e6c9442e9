/** The ingest of a process on real servers, for tests; the registry reads plain maps through its finder arguments. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import type { IClientOptions, MqttClient } from "mqtt";
import type { NatsConnection } from "nats";
import { credentialId, deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import type { MetricDefinition } from "../../src/domain/device-type/index.js";
import type { LocalServer } from "../../src/embedded/processes/index.js";
import { startInflux, startNats } from "../../src/embedded/processes/index.js";
import { connectNats } from "../../src/engines/nats.js";
import { connectInflux } from "../../src/engines/influx.js";
import type { Influx } from "../../src/engines/influx.js";
import { createIngest, createRegistry, ensureIngestStreams, startMqttGateway } from "../../src/ingest/index.js";
import type {
  Ingest,
  IngestOptions,
  MqttGateway,
  MqttGatewayOptions,
  Registry,
  Rejection,
} from "../../src/ingest/index.js";
import { Lifecycle } from "../../src/platform/lifecycle.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import type { Registry as Metrics } from "../../src/platform/metrics.js";
import { streams, subjects } from "../../src/platform/subjects.js";
import type { DeviceDocument } from "../../src/projections/device/document.js";
import type { DeviceTypeDocument } from "../../src/projections/device-type/document.js";
import type { TenantDocument } from "../../src/projections/tenant/document.js";

export const KEY = "a-key-that-is-only-used-in-tests";
export const DAY = 86_400_000;

export interface Temporary {
  readonly dir: string;
  readonly remove: () => Promise<void>;
}

export async function temporaryDir(): Promise<Temporary> {
  const dir = await mkdtemp(join(tmpdir(), "fleetlog-ingest-"));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

export interface NatsUnderTest {
  readonly server: LocalServer;
  readonly nc: NatsConnection;
  stop(): Promise<void>;
}

export async function natsUnderTest(): Promise<NatsUnderTest> {
  const { dir, remove } = await temporaryDir();
  const server = await startNats({ dataDir: dir, logger: silentLogger, maxFileStoreBytes: 16 * 1024 ** 3 });
  const nc = await connectNats(server.url, "test");
  await ensureIngestStreams(nc);
  return {
    server,
    nc,
    async stop() {
      await nc.close();
      await server.stop();
      await remove();
    },
  };
}

export interface InfluxUnderTest {
  readonly server: LocalServer;
  readonly influx: Influx;
  stop(): Promise<void>;
}

export async function influxUnderTest(): Promise<InfluxUnderTest> {
  const { dir, remove } = await temporaryDir();
  const server = await startInflux({ dataDir: dir, logger: silentLogger });
  return {
    server,
    influx: connectInflux({ url: server.url, org: "fleetlog", bucket: "fleetlog" }),
    async stop() {
      await server.stop();
      await remove();
    },
  };
}

/** The read models as the registry asks for them. */
export class ReadModels {
  readonly devices = new Map<string, DeviceDocument>();
  readonly types = new Map<string, DeviceTypeDocument>();
  readonly tenants = new Map<string, TenantDocument>();
  queries = 0;
  /** While set, every query fails with it. */
  failure: Error | undefined;

  readonly findDevice = async (tenant: string, device: string): Promise<DeviceDocument | undefined> => {
    this.queries += 1;
    if (this.failure !== undefined) throw this.failure;
    return this.devices.get(`${tenant}/${device}`);
  };

  readonly findDeviceType = async (tenant: string, type: string): Promise<DeviceTypeDocument | undefined> => {
    if (this.failure !== undefined) throw this.failure;
    return this.types.get(`${tenant}/${type}`);
  };

  readonly findTenant = async (tenant: string): Promise<TenantDocument | undefined> => {
    if (this.failure !== undefined) throw this.failure;
    return this.tenants.get(tenant);
  };

  readonly findDeviceByKey = async (hash: string): Promise<DeviceDocument | undefined> => {
    this.queries += 1;
    if (this.failure !== undefined) throw this.failure;
    return [...this.devices.values()].find(({ credentials }) => credentials.some((one) => one.hash === hash));
  };

  readonly findDevicesOf = async (tenant: string, gateway: string): Promise<readonly DeviceDocument[]> => {
    if (this.failure !== undefined) throw this.failure;
    return [...this.devices.values()].filter((device) => device.tenantId === tenant && device.gateway === gateway);
  };

  readonly findDeviceNamed = async (
    tenant: string,
    gateway: string,
    name: string,
  ): Promise<DeviceDocument | undefined> => {
    this.queries += 1;
    if (this.failure !== undefined) throw this.failure;
    return [...this.devices.values()].find(
      (device) => device.tenantId === tenant && device.gateway === gateway && device.name === name,
    );
  };

  put(tenant: string, device: string, changes: Partial<DeviceDocument> = {}): DeviceDocument {
    const held = this.devices.get(`${tenant}/${device}`) ?? deviceDocument(tenant, device);
    const document = { ...held, ...changes, revision: held.revision + 1 };
    this.devices.set(document._id, document);
    return document;
  }

  found(tenant: string): void {
    const at = new Date(0).toISOString();
    const document = {
      _id: tenant,
      tenantId: tenantId(tenant),
      name: tenant,
      revision: 0,
      createdAt: at,
      updatedAt: at,
    };
    this.tenants.set(tenant, document);
  }

  define(tenant: string, type: string, metrics: readonly MetricDefinition[]): DeviceTypeDocument {
    const _id = `${tenant}/${type}`;
    const revision = (this.types.get(_id)?.revision ?? -1) + 1;
    const at = new Date(0).toISOString();
    const document = {
      _id,
      tenantId: tenantId(tenant),
      deviceType: deviceTypeId(type),
      revision,
      version: revision + 1,
      metrics,
      createdAt: at,
      updatedAt: at,
    };
    this.types.set(_id, document);
    return document;
  }
}

export function deviceDocument(tenant: string, device: string): DeviceDocument {
  const at = new Date(0).toISOString();
  return {
    _id: `${tenant}/${device}`,
    tenantId: tenantId(tenant),
    deviceId: deviceId(device),
    deviceType: deviceTypeId("sensor"),
    revision: 0,
    name: device,
    status: "ACTIVE",
    credentials: [
      {
        credentialId: credentialId("00000000-0000-4000-8000-000000000001"),
        type: "API_KEY",
        hash: createHash("sha256").update(KEY).digest("hex"),
        issuedAt: at,
      },
    ],
    configuration: { version: 0, config: {} },
    connectivity: { online: false },
    createdAt: at,
    updatedAt: at,
  };
}

/** Tells the caches of a device's document, as its projection does. */
export function announce(nc: NatsConnection, document: DeviceDocument): void {
  const { tenantId: tenant, deviceId: id } = document;
  nc.publish(subjects.changed("device", tenant, id), JSON.stringify({ entity: "device", id, document }));
}

export interface GatewayUnderTest {
  readonly models: ReadModels;
  readonly registry: Registry;
  readonly ingest: Ingest;
  readonly gateway: MqttGateway;
  readonly metrics: Metrics;
  connect(options?: Partial<IClientOptions>): Promise<MqttClient>;
  stop(): Promise<void>;
}

export async function gatewayUnderTest(
  nc: NatsConnection,
  options: Partial<MqttGatewayOptions> = {},
  ingestOptions: Partial<IngestOptions> = {},
): Promise<GatewayUnderTest> {
  const models = new ReadModels();
  const metrics = createMetrics();
  const logger = silentLogger;
  const lifecycle = new Lifecycle(logger);
  const { findDevice, findDeviceType, findTenant, findDeviceByKey, findDeviceNamed, findDevicesOf } = models;
  const finders = { findDevice, findDeviceType, findTenant, findDeviceByKey, findDeviceNamed, findDevicesOf };
  const registry = lifecycle.add("registry", createRegistry({ nc, logger, ...finders }));
  const ingest = lifecycle.add(
    "ingest",
    createIngest({ nc, logger, metrics, maxReadingAgeMs: 366 * DAY, ...ingestOptions }),
  );
  const gateway = lifecycle.add(
    "mqtt",
    await startMqttGateway(
      { nc, ingest, registry, logger },
      { host: "127.0.0.1", port: 0, maxPayloadBytes: 262_144, maxConnections: 1_000, drainMs: 1_000, ...options },
    ),
  );
  const clients: MqttClient[] = [];
  return {
    models,
    registry,
    ingest,
    gateway,
    metrics,
    async connect(given = {}) {
      const client = await connectAsync(`mqtt://127.0.0.1:${gateway.port}`, {
        username: "acme/d1",
        password: KEY,
        reconnectPeriod: 0,
        connectTimeout: 10_000,
        ...given,
      });
      client.on("error", () => {});
      clients.push(client);
      return client;
    },
    async stop() {
      await Promise.all(clients.map((client) => client.endAsync(true)));
      await lifecycle.stop();
    },
  };
}

/** The rejections kept for a device, oldest first. */
export async function rejectionsOf(nc: NatsConnection, tenant: string, device: string): Promise<Rejection[]> {
  const consumer = await nc
    .jetstream()
    .consumers.get(streams.rejections, { filterSubjects: subjects.rejection(tenant, device) });
  const { num_pending: pending } = await consumer.info(false);
  const rejections: Rejection[] = [];
  if (pending === 0) return rejections;
  const messages = await consumer.fetch({ max_messages: pending, expires: 2_000 });
  for await (const message of messages) {
    rejections.push(message.json<Rejection>());
    if (rejections.length === pending) break;
  }
  return rejections;
}

export async function framesWaiting(nc: NatsConnection): Promise<number> {
  const manager = await nc.jetstreamManager();
  return (await manager.streams.info(streams.frames)).state.messages;
}
