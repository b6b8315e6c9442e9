import type { EventStoreDBClient } from "@eventstore/db-client";
import type { Actor, Commands } from "../../src/commands/index.js";
import { createCommands } from "../../src/commands/index.js";
import { connectEventStore } from "../../src/engines/eventstore.js";
import { connectMongo } from "../../src/engines/mongo.js";
import type { Mongo } from "../../src/engines/mongo.js";
import { connectNats } from "../../src/engines/nats.js";
import type { NatsConnection } from "../../src/engines/nats.js";
import { deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import type { DeviceId, TenantId } from "../../src/domain/ids.js";
import { validateProtobufCodec } from "../../src/ingest/index.js";
import { newId } from "../../src/platform/ids.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import { createReadModels, createShownWaiter, startProjector } from "../../src/projections/index.js";
import type { ReadModels, ShownWaiter } from "../../src/projections/index.js";
import type { TestEngines } from "./platform.js";
import { startTestEngines } from "./platform.js";

export const system: Actor = { kind: "system", part: "test" };
export const at = () => new Date().toISOString();

/** The river of decisions, whole: engines, commands, projector, read models. */
export interface River {
  readonly engines: TestEngines;
  readonly client: EventStoreDBClient;
  readonly mongo: Mongo;
  readonly nats: NatsConnection;
  readonly commands: Commands;
  readonly readModels: ReadModels;
  readonly shown: ShownWaiter;
  createTenant(name?: string): Promise<TenantId>;
  registerDevice(tenant: TenantId, name?: string): Promise<DeviceId>;
  stop(): Promise<void>;
}

export async function startRiver(options: { readonly influx?: boolean } = {}): Promise<River> {
  const engines = await startTestEngines(options);
  const client = connectEventStore(engines.eventstoreUrl);
  const mongo = connectMongo(engines.mongoUrl, "fleetlog");
  const nats = await connectNats(engines.natsUrl, "test");
  const commands = createCommands({ client, metrics: createMetrics(), validateProtobuf: validateProtobufCodec });
  const projector = startProjector({ client, db: mongo.db, nats, logger: silentLogger, owner: "test" });
  const shown = createShownWaiter({ db: mongo.db, nats });
  return {
    engines,
    client,
    mongo,
    nats,
    commands,
    readModels: createReadModels(mongo.db),
    shown,
    async createTenant(name = `tenant-${newId()}`) {
      const tenant = tenantId(name);
      const command = { type: "CreateTenant", at: at(), data: { tenantId: tenant, name } } as const;
      await commands.execute({ category: "tenant", tenantId: tenant, id: tenant, command, actor: system });
      return tenant;
    },
    async registerDevice(tenant, name = `device-${newId()}`) {
      const id = deviceId(name);
      const data = { tenantId: tenant, deviceId: id, deviceType: deviceTypeId("press") };
      const command = { type: "RegisterDevice", at: at(), data } as const;
      await commands.execute({ category: "device", tenantId: tenant, id, command, actor: system });
      return id;
    },
    async stop() {
      await projector.stop();
      await shown.stop();
      await nats.close();
      await client.dispose();
      await mongo.close();
      await engines.stop();
    },
  };
}
