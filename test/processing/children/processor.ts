/** A processor in a process of its own, for tests that kill it: `node … EVENTSTORE_URL MONGODB_URL NATS_URL`. Ends with SIGKILL only. */
import { createCommands } from "../../../src/commands/index.js";
import { connectEventStore } from "../../../src/engines/eventstore.js";
import { connectMongo } from "../../../src/engines/mongo.js";
import { connectNats } from "../../../src/engines/nats.js";
import { createLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { startProcessor } from "../../../src/processing/index.js";
import { createReadModels } from "../../../src/projections/index.js";

const [eventstoreUrl = "", mongoUrl = "", natsUrl = ""] = process.argv.slice(2);
const { db } = connectMongo(mongoUrl, "fleetlog");
const metrics = createMetrics();
startProcessor(
  {
    nc: await connectNats(natsUrl, "processor"),
    db,
    commands: createCommands({ client: connectEventStore(eventstoreUrl), metrics }),
    alertRules: createReadModels(db).alertRules,
    logger: createLogger({ level: "error" }),
    metrics,
  },
  { snapshotMs: 100 },
);
