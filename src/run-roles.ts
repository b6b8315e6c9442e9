import { join } from "node:path";
import type { Config } from "./config.js";
import { createContainer } from "./container.js";
import { startDocumentStore } from "./embedded/documents/index.js";
import { startEventStore } from "./embedded/eventstore/index.js";
import type { PartHealth, Running } from "./platform/lifecycle.js";
import { Lifecycle } from "./platform/lifecycle.js";
import type { Logger } from "./platform/logger.js";
import { createMetrics } from "./platform/metrics.js";
import type { Registry } from "./platform/metrics.js";
import { startRoles } from "./roles.js";
import { OtherProcesses, parseProcessMessage, REPORT_EVERY_MS } from "./process-report.js";
import type { ProcessMessage } from "./process-report.js";

/** One process of the platform: the roles that its configuration names, and a report to the supervisor every two seconds. */
export async function runRoles(config: Config, logger: Logger): Promise<Running> {
  const lifecycle = new Lifecycle(logger);
  const metrics = createMetrics({ defaults: true });
  metrics.setDefaultLabels({ process: config.FLEETLOG_PROCESS });
  const others = new OtherProcesses();
  const parts: { health(): readonly PartHealth[] }[] = [];
  const ports: Record<string, number> = {};
  try {
    if (config.FLEETLOG_ROLES.includes("engines")) await startEngines(config, logger, lifecycle);
    if (config.FLEETLOG_ROLES.some((role) => role !== "engines")) {
      const started = await startRoles(await createContainer({ config, logger, metrics, others, lifecycle }));
      parts.push(started);
      Object.assign(ports, started.ports);
    }
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
  lifecycle.add("reports", reportToSupervisor(config.FLEETLOG_PROCESS, parts, metrics));
  process.on("message", (raw) => {
    const message = parseProcessMessage(raw);
    if (message?.type === "report") others.heard(message);
  });
  tell({ type: "ready", ports });
  return lifecycle;
}

/** The embedded engines: servers of their own, in a process of their own. */
async function startEngines(config: Config, logger: Logger, lifecycle: Lifecycle): Promise<void> {
  const { FLEETLOG_DATA_DIR: dataDir, EVENTSTORE_URL, MONGODB_URL } = config;
  if (EVENTSTORE_URL === undefined) {
    const port = config.FLEETLOG_EVENTSTORE_PORT;
    lifecycle.add("event store", await startEventStore({ path: join(dataDir, "eventstore"), port, logger }));
  }
  if (MONGODB_URL === undefined) {
    const port = config.FLEETLOG_DOCUMENTS_PORT;
    lifecycle.add("document store", await startDocumentStore({ path: join(dataDir, "documents"), port, logger }));
  }
}

function reportToSupervisor(
  name: string,
  parts: readonly { health(): readonly PartHealth[] }[],
  metrics: Registry,
): Running {
  async function report(): Promise<void> {
    const health = parts.flatMap((part) => part.health());
    tell({ type: "report", process: name, parts: health, metrics: await metrics.getMetricsAsJSON() });
  }
  const timer = setInterval(() => void report(), REPORT_EVERY_MS);
  void report();
  return {
    stop() {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
}

function tell(message: ProcessMessage): void {
  // The supervisor may be gone already: then this process is about to stop, too.
  if (process.connected) process.send?.(message);
}
