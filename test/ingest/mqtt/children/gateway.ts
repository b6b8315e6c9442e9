/** An MQTT gateway in a process of its own, for tests that kill it: `node … NATS_URL PORT`. Knows the device acme/d1. Ends with SIGKILL only. */
import { connectNats } from "../../../../src/engines/nats.js";
import { createIngest, createRegistry, startMqttGateway } from "../../../../src/ingest/index.js";
import { createLogger } from "../../../../src/platform/logger.js";
import { createMetrics } from "../../../../src/platform/metrics.js";
import { DAY, ReadModels } from "../../support.js";

const [natsUrl = "", port = "0"] = process.argv.slice(2);
const logger = createLogger({ level: "error" });
const nc = await connectNats(natsUrl, "gateway");
const models = new ReadModels();
models.put("acme", "d1");
const { findDevice, findDeviceType, findTenant, findDeviceByKey, findDeviceNamed } = models;
const registry = createRegistry({
  nc,
  logger,
  findDevice,
  findDeviceType,
  findTenant,
  findDeviceByKey,
  findDeviceNamed,
});
const ingest = createIngest({ nc, logger, metrics: createMetrics(), maxReadingAgeMs: DAY });
await startMqttGateway(
  { nc, ingest, registry, logger },
  { host: "127.0.0.1", port: Number(port), maxPayloadBytes: 262_144, maxConnections: 100 },
);
