import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDocumentStore } from "../../src/embedded/documents/index.js";
import { startEventStore } from "../../src/embedded/eventstore/index.js";
import { startInflux, startNats } from "../../src/embedded/processes/index.js";
import { Lifecycle } from "../../src/platform/lifecycle.js";
import { silentLogger } from "../../src/platform/logger.js";

export interface TestEngines {
  readonly eventstoreUrl: string;
  readonly mongoUrl: string;
  readonly natsUrl: string;
  /** Empty unless asked for: it is the slow one to start. */
  readonly influxUrl: string;
  stop(): Promise<void>;
}

/** The four engines as one machine runs them, on free ports and a directory of their own. Real servers, real sockets. */
export async function startTestEngines(options: { readonly influx?: boolean } = {}): Promise<TestEngines> {
  const dataDir = await mkdtemp(join(tmpdir(), "fleetlog-test-"));
  const logger = silentLogger;
  const lifecycle = new Lifecycle(logger);
  lifecycle.add("files", { stop: () => rm(dataDir, { recursive: true, force: true }) });
  try {
    const eventstore = await startEventStore({ path: join(dataDir, "eventstore"), logger });
    lifecycle.add("event store", eventstore);
    const documents = await startDocumentStore({ path: join(dataDir, "documents"), logger });
    lifecycle.add("document store", documents);
    const nats = lifecycle.add("nats", await startNats({ dataDir: join(dataDir, "nats"), logger }));
    const influx =
      options.influx === true
        ? lifecycle.add("influx", await startInflux({ dataDir: join(dataDir, "influx"), logger }))
        : undefined;
    return {
      eventstoreUrl: eventstore.url,
      mongoUrl: documents.url,
      natsUrl: nats.url,
      influxUrl: influx?.url ?? "",
      stop: () => lifecycle.stop(),
    };
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}
