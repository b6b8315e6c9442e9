/** What follows a consumer that does not come, or that goes: said in health and once in the log, and mended by itself. */
import { AckPolicy } from "nats";
import type { NatsConnection } from "nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDeviceReports, startOrphanedAlerts } from "../../src/commands/processes/index.js";
import { silentLogger } from "../../src/platform/logger.js";
import type { Logger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import { reportConsumer, streams } from "../../src/platform/subjects.js";
import { startNats } from "../../src/embedded/processes/index.js";
import type { LocalServer } from "../../src/embedded/processes/index.js";
import { connectNats } from "../../src/engines/nats.js";
import { temporaryDir } from "../ingest/support.js";
import type { Temporary } from "../ingest/support.js";
import { waitFor } from "../support/wait-for.js";

let dir: Temporary;
let server: LocalServer;
let nc: NatsConnection;

beforeAll(async () => {
  dir = await temporaryDir();
  server = await startNats({ dataDir: dir.dir, logger: silentLogger, maxFileStoreBytes: 1024 ** 3 });
  nc = await connectNats(server.url, "test");
});
afterAll(async () => {
  await nc.close();
  await server.stop();
  await dir.remove();
});

function listening(): { readonly logger: Logger; readonly said: string[] } {
  const said: string[] = [];
  const logger = Object.assign(Object.create(silentLogger) as Logger, {
    warn: (_about: object, sentence: string) => said.push(`warn: ${sentence}`),
    info: (sentence: string) => said.push(`info: ${sentence}`),
  });
  return { logger, said };
}

test("reports of devices that never come are said to be missing, until they come; and again when their consumer goes", async () => {
  const { logger, said } = listening();
  const db = { collection: () => ({}) };
  const deps = { nc, db, commands: {}, activity: {}, logger, metrics: createMetrics() };
  const reports = startDeviceReports(deps as unknown as Parameters<typeof startDeviceReports>[0], { graceSeconds: 1 });
  const state = (): string | undefined => reports.health()[0]?.state;
  try {
    await waitFor(() => said.length > 0 && state() === "degraded");
    const manager = await nc.jetstreamManager();
    await manager.streams.add({ name: streams.reports, subjects: ["fleetlog-reports.>"] });
    await manager.consumers.add(streams.reports, { durable_name: reportConsumer, ack_policy: AckPolicy.Explicit });
    await waitFor(() => state() === "up" && said.length === 2);
    await manager.streams.delete(streams.reports);
    await waitFor(() => state() === "degraded");
  } finally {
    await reports.stop();
  }
  expect(said.slice(0, 2)).toEqual([
    "warn: the reports of devices do not come; trying again",
    "info: the reports of devices come again",
  ]);
});

test("events that never come to the alerts of decommissioned devices are said to be missing", async () => {
  const { logger, said } = listening();
  const deps = { nc, eventStore: {}, commands: {}, alerts: {}, logger };
  const alerts = startOrphanedAlerts(deps as unknown as Parameters<typeof startOrphanedAlerts>[0]);
  try {
    await waitFor(() => said.length === 2 && alerts.health()[0]?.state === "degraded");
  } finally {
    await alerts.stop();
  }
  expect(said.toSorted((a, b) => a.localeCompare(b))).toEqual([
    'warn: the events of "workflows-decommissioned" do not come; trying again',
    'warn: the events of "workflows-raised" do not come; trying again',
  ]);
});
