/** A gateway with a bridge in a process of its own, for tests that kill it: `node … NATS_URL BROKER_URL`. Ends with SIGKILL only. */
import { connectNats } from "../../../../src/engines/nats.js";
import { createIngest, readMapping, startBridge } from "../../../../src/ingest/index.js";
import { createRegistry } from "../../../../src/ingest/registry/registry.js";
import { createLogger } from "../../../../src/platform/logger.js";
import { createMetrics } from "../../../../src/platform/metrics.js";
import { ReadModels } from "../../support.js";

const [natsUrl = "", brokerUrl = ""] = process.argv.slice(2);
const nc = await connectNats(natsUrl, "bridge");
const logger = createLogger({ level: "error" });
const metrics = createMetrics();
const models = new ReadModels();
models.put("acme", "d1");
const { findDevice, findDeviceType, findTenant, findDeviceByKey, findDeviceNamed } = models;
const finders = { findDevice, findDeviceType, findTenant, findDeviceByKey, findDeviceNamed };
const registry = createRegistry({ nc, logger, ...finders });
const ingest = createIngest({ nc, logger, metrics, maxReadingAgeMs: 366 * 86_400_000 });
startBridge({ ingest, registry, logger, metrics }, { url: brokerUrl, rules: readMapping(undefined), owner: "killed" });
