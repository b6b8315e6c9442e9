import "reflect-metadata";
import type { EventStoreDBClient } from "@eventstore/db-client";
import { Container } from "inversify";
import type { ServiceIdentifier } from "inversify";
import { AggregatorRegistry } from "prom-client";
import { createCommands } from "./commands/index.js";
import type { Commands } from "./commands/index.js";
import type { Config } from "./config.js";
import type { RateLimit } from "./domain/tenant/index.js";
import { connectEventStore } from "./engines/eventstore.js";
import { connectInflux } from "./engines/influx.js";
import type { Influx } from "./engines/influx.js";
import { connectMongo } from "./engines/mongo.js";
import type { Mongo } from "./engines/mongo.js";
import { connectNats } from "./engines/nats.js";
import type { NatsConnection } from "./engines/nats.js";
import {
  createHorizons,
  createIngest,
  createRegistry,
  createRejectionQueries,
  createRejectionReplay,
  createTelemetryQueries,
  ensureIngestStreams,
  openMarks,
  validateProtobufCodec,
} from "./ingest/index.js";
import type {
  DefaultLimits,
  Ingest,
  Registry as DeviceRegistry,
  TelemetryQueries,
  RejectionQueries,
  RejectionReplay,
} from "./ingest/index.js";
import type { Lifecycle } from "./platform/lifecycle.js";
import type { Logger } from "./platform/logger.js";
import type { Registry as Metrics } from "./platform/metrics.js";
import type { OtherProcesses } from "./process-report.js";
import { createReadModels, createShownWaiter } from "./projections/index.js";
import type { ReadModels, ShownWaiter } from "./projections/index.js";
import { loadServerCertificate } from "./tls/index.js";
import type { ServerCertificate } from "./tls/index.js";

/** What a process brings along before anything is built. */
export interface ProcessParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly others: OtherProcesses;
  /** What is built and must be ended goes in here, in the order in which it may be stopped backwards. */
  readonly lifecycle: Lifecycle;
}

const token = <T>(name: string): ServiceIdentifier<T> => Symbol(name);

/** The names under which things are asked for; each says the type that it gives. */
export const tokens = {
  process: token<ProcessParts>("process"),
  eventstore: token<EventStoreDBClient>("eventstore"),
  mongo: token<Mongo>("mongo"),
  nats: token<NatsConnection>("nats"),
  influx: token<Influx>("influx"),
  commands: token<Commands>("commands"),
  readModels: token<ReadModels>("read models"),
  shown: token<ShownWaiter>("shown"),
  devices: token<DeviceRegistry>("device registry"),
  ingest: token<Ingest>("ingest"),
  telemetry: token<TelemetryQueries>("telemetry"),
  rejections: token<RejectionQueries & RejectionReplay>("rejections"),
  /** Loaded, or made, at the first call; one for all doors of the process. */
  certificate: token<() => Promise<ServerCertificate>>("certificate"),
  prometheus: token<() => Promise<string>>("prometheus"),
} as const;

/**
 * The composition root: how the parts of one process are put together, each once, at first need. Everything else in src takes
 * what it needs as arguments. Resolves once NATS is reached and the streams are there; the other clients connect at first use.
 */
export async function createContainer(parts: ProcessParts): Promise<Container> {
  const { config, logger, metrics, lifecycle, others } = parts;
  const container = new Container({ defaultScope: "Singleton" });
  container.bind(tokens.process).toConstantValue(parts);

  const nats = await connectNats(required(config, "NATS_URL"), config.FLEETLOG_PROCESS);
  lifecycle.add("nats client", { stop: () => nats.drain() });
  container.bind(tokens.nats).toConstantValue(nats);
  await ensureIngestStreams(nats);

  const eventstore = connectEventStore(required(config, "EVENTSTORE_URL"));
  lifecycle.add("event store client", { stop: () => eventstore.dispose() });
  container.bind(tokens.eventstore).toConstantValue(eventstore);

  const mongo = connectMongo(required(config, "MONGODB_URL"), config.MONGODB_DATABASE);
  lifecycle.add("document store client", { stop: () => mongo.close() });
  container.bind(tokens.mongo).toConstantValue(mongo);

  const { INFLUX_TOKEN, INFLUX_ORG, INFLUX_BUCKET } = config;
  const influx = { url: required(config, "INFLUX_URL"), token: INFLUX_TOKEN, org: INFLUX_ORG, bucket: INFLUX_BUCKET };
  container.bind(tokens.influx).toDynamicValue(() => connectInflux(influx));

  container
    .bind(tokens.commands)
    .toDynamicValue(() => createCommands({ client: eventstore, metrics, validateProtobuf: validateProtobufCodec }));
  container.bind(tokens.readModels).toDynamicValue(() => createReadModels(mongo.db));
  container
    .bind(tokens.shown)
    .toDynamicValue(() => lifecycle.add("read-your-writes", createShownWaiter({ db: mongo.db, nats })));
  container.bind(tokens.devices).toDynamicValue((context) => {
    const { devices, deviceTypes, tenants } = context.get(tokens.readModels);
    const registry = createRegistry({
      nc: nats,
      logger,
      findDevice: (tenant, device) => devices.find(tenant, device),
      findDeviceType: (tenant, type) => deviceTypes.find(tenant, type),
      findTenant: (tenant) => tenants.find(tenant),
      findDeviceByKey: (hash) => devices.findByKey(hash),
      findDeviceNamed: (tenant, gateway, name) => devices.findNamed(tenant, gateway, name),
      findDevicesOf: (tenant, gateway, limit) => devices.behind(tenant, gateway, limit),
    });
    return lifecycle.add("device registry", registry);
  });
  container.bind(tokens.ingest).toDynamicValue(() => {
    const maxReadingAgeMs = config.FLEETLOG_MAX_READING_AGE_DAYS * 24 * 3600 * 1000;
    return lifecycle.add(
      "ingest",
      createIngest({ nc: nats, logger, metrics, maxReadingAgeMs, limits: limitsIn(config) }),
    );
  });
  container.bind(tokens.telemetry).toDynamicValue((context) => {
    const { tenants } = context.get(tokens.readModels);
    const horizons = createHorizons({
      marks: () => openMarks(nats),
      rulesOf: async (tenant) => (await tenants.find(tenant))?.retention ?? [],
    });
    return createTelemetryQueries(context.get(tokens.influx), horizons);
  });
  let certificate: Promise<ServerCertificate> | undefined;
  container.bind(tokens.certificate).toConstantValue(() => {
    certificate ??= certificateIn(config, logger).then((loaded) => lifecycle.add("TLS certificate", loaded));
    return certificate;
  });
  container.bind(tokens.rejections).toDynamicValue((context) => {
    const rejections = createRejectionQueries(mongo.db);
    const [ingest, registry] = [context.get(tokens.ingest), context.get(tokens.devices)];
    return { ...rejections, ...createRejectionReplay({ ingest, registry, rejections }) };
  });
  container.bind(tokens.prometheus).toConstantValue(() => prometheus(metrics, others));
  return container;
}

function required(config: Config, key: "NATS_URL" | "EVENTSTORE_URL" | "MONGODB_URL" | "INFLUX_URL"): string {
  const url = config[key];
  if (url === undefined) throw new Error(`${key} is not set: the supervisor sets it for the processes that it starts`);
  return url;
}

function rate(perSecond: number, burst: number): RateLimit {
  return { perSecond, burst: burst === 0 ? perSecond * 10 : burst };
}

/** The platform's default limits; 0 in the configuration is none, and a burst of 0 is ten seconds' worth. */
function limitsIn(config: Config): Required<DefaultLimits> {
  const of = (level: "DEVICE" | "TENANT" | "PLATFORM") => {
    const messages = config[`FLEETLOG_${level}_MESSAGES_PER_SECOND`];
    const bytes = config[`FLEETLOG_${level}_BYTES_PER_SECOND`];
    const connections = config[`FLEETLOG_${level}_CONNECTIONS`];
    return {
      ...(messages === 0 ? {} : { messages: rate(messages, config[`FLEETLOG_${level}_MESSAGES_BURST`]) }),
      ...(bytes === 0 ? {} : { bytes: rate(bytes, config[`FLEETLOG_${level}_BYTES_BURST`]) }),
      ...(connections === 0 ? {} : { connections }),
    };
  };
  return { device: of("DEVICE"), tenant: of("TENANT"), platform: of("PLATFORM") };
}

function certificateIn(config: Config, logger: Logger): Promise<ServerCertificate> {
  const { FLEETLOG_TLS_CERT: certFile, FLEETLOG_TLS_KEY: keyFile, FLEETLOG_DATA_DIR: dataDir } = config;
  const named = certFile === undefined || keyFile === undefined ? {} : { certFile, keyFile };
  return loadServerCertificate({ ...named, dataDir, logger });
}

/** The metrics of this process with those of the others of this machine, added up where they have one name and labels. */
async function prometheus(metrics: Metrics, others: OtherProcesses): Promise<string> {
  const all = [await metrics.getMetricsAsJSON(), ...others.metrics()];
  return AggregatorRegistry.aggregate(all).metrics();
}
