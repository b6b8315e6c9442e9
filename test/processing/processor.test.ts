import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Db } from "mongodb";
import type { JsMsg } from "nats";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createCommands } from "../../src/commands/index.js";
import type { Commands } from "../../src/commands/index.js";
import { startDocumentStore } from "../../src/embedded/documents/index.js";
import { startEventStore } from "../../src/embedded/eventstore/index.js";
import { connectEventStore } from "../../src/engines/eventstore.js";
import { connectMongo } from "../../src/engines/mongo.js";
import { ensureIngestStreams } from "../../src/ingest/index.js";
import type { HasHealth, Running } from "../../src/platform/lifecycle.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import { streams } from "../../src/platform/subjects.js";
import { startProcessor } from "../../src/processing/index.js";
import type { ProcessorOptions } from "../../src/processing/index.js";
import { at, startRiver } from "../support/river.js";
import type { River } from "../support/river.js";
import { waitFor } from "../support/wait-for.js";
import { createRule, giveRule, send, shownAlerts } from "./processing-platform.js";

let river: River;
let started: (Running & HasHealth)[] = [];

beforeAll(async () => {
  river = await startRiver();
  await ensureIngestStreams(river.nats);
});
afterEach(async () => {
  for (const processor of started) await processor.stop();
  started = [];
});
afterAll(() => river.stop());

function start(
  options: ProcessorOptions = {},
  { commands = river.commands, db = river.mongo.db }: { readonly commands?: Commands; readonly db?: Db } = {},
): Running & HasHealth {
  const processor = startProcessor(
    {
      nc: river.nats,
      db,
      commands,
      alertRules: river.readModels.alertRules,
      logger: silentLogger,
      metrics: createMetrics(),
    },
    { snapshotMs: 20, ...options },
  );
  started.push(processor);
  return processor;
}

async function consumer(): Promise<{ readonly acknowledged: number; readonly open: number }> {
  const info = await (await river.nats.jetstreamManager()).consumers.info(streams.frames, "processor");
  return { acknowledged: info.ack_floor.stream_seq, open: info.num_ack_pending + info.num_pending };
}

const allAcknowledged = () =>
  waitFor(async () => (await consumer()).open === 0, { what: "every frame to be acknowledged" });

describe("from a frame to an alert", () => {
  test("an alert is raised, then resolved, and the frames are let go", async () => {
    const tenant = await river.createTenant();
    await createRule(river, tenant);
    const processor = start();
    await send(river, tenant, ["press-1", 1, 80], ["press-1", 2, 95], ["press-2", 2, 70]);
    await waitFor(async () => (await shownAlerts(river, tenant)).includes("press-1 2 ACTIVE"));
    await send(river, tenant, ["press-1", 3, 85]);
    await waitFor(async () => (await shownAlerts(river, tenant)).includes("press-1 2 RESOLVED condition-cleared"));
    await allAcknowledged();
    expect(processor.health()).toEqual([{ name: "processor", state: "up", lag: 0, lagUnit: "messages" }]);
  });

  test("rules are in force, and out of it, without a restart", async () => {
    const tenant = await river.createTenant();
    start();
    await send(river, tenant, ["press-1", 1, 95]);
    await allAcknowledged();
    const rule = await createRule(river, tenant);
    // Each second of device time a reading, until the rule is in force.
    let second = 1;
    await waitFor(async () => {
      await send(river, tenant, ["press-1", (second += 1), 95]);
      return (await shownAlerts(river, tenant)).length === 1;
    });
    await giveRule(river, tenant, rule, { type: "DisableAlertRule", at: at(), data: {} });
    const resolved = await waitFor(async () => {
      const alerts = await shownAlerts(river, tenant);
      return alerts[0]?.includes("RESOLVED") === true && alerts;
    });
    expect(resolved).toEqual([expect.stringMatching(/^press-1 \d+ RESOLVED rule-changed$/)]);
  });
});

describe("a restart", () => {
  test("goes on with what was pending", async () => {
    const tenant = await river.createTenant();
    const condition = { metric: "temperature", operator: "GT", threshold: 90, forSeconds: 10 } as const;
    await createRule(river, tenant, { condition });
    const first = start();
    await send(river, tenant, ["press-1", 1, 95]);
    await allAcknowledged();
    await first.stop();
    start();
    await send(river, tenant, ["press-1", 11, 95]);
    const alerts = await waitFor(async () => {
      const found = await shownAlerts(river, tenant);
      return found.length > 0 && found;
    });
    expect(alerts).toEqual(["press-1 1 ACTIVE"]);
  });

  test("judges first what another reader was given and never acknowledged", async () => {
    const tenant = await river.createTenant();
    await createRule(river, tenant);
    await send(river, tenant, ["press-1", 1, 95]);
    await send(river, tenant, ["press-1", 2, 80]);
    // As a processor that is killed: given two frames, of which JetStream will say nothing more for a minute.
    const other = await river.nats.jetstream().consumers.get(streams.frames, "processor");
    const taken = await other.fetch({ max_messages: 2 });
    const loot: JsMsg[] = [];
    for await (const message of taken) loot.push(message);
    expect(loot).toHaveLength(2);
    await send(river, tenant, ["press-1", 3, 95]);
    start();
    const alerts = await waitFor(async () => {
      const found = await shownAlerts(river, tenant);
      return found.length === 2 && found[0]?.includes("RESOLVED") === true && found;
    });
    expect(alerts).toEqual(["press-1 1 RESOLVED condition-cleared", "press-1 3 ACTIVE"]);
    // Spares the next test the minute until they are given again.
    for (const message of loot) message.ack();
  });
});

test("a frame that another reader took in the middle is judged in its place", async () => {
  const tenant = await river.createTenant();
  const condition = { metric: "temperature", operator: "GT", threshold: 90, forSeconds: 3 } as const;
  await createRule(river, tenant, { condition });
  start();
  await send(river, tenant, ["press-1", 1, 95]);
  await allAcknowledged();
  for (const processor of started) await processor.stop();
  started = [];
  // The thief takes the break in the condition: who misses it sees five seconds above the threshold.
  const thief = await river.nats.jetstream().consumers.get(streams.frames, "processor");
  const loot = thief.next({ expires: 5_000 });
  await send(river, tenant, ["press-1", 3, 80]);
  const taken = await loot;
  expect(taken?.redelivered).toBe(false);
  start();
  await send(river, tenant, ["press-1", 4, 95], ["press-1", 5, 95], ["press-1", 7, 95]);
  const alerts = await waitFor(async () => {
    const found = await shownAlerts(river, tenant);
    return found.length > 0 && found;
  });
  expect(alerts).toEqual(["press-1 4 ACTIVE"]);
  taken?.ack();
});

test("a stream that was made anew is followed from its first frame, by what is remembered", async () => {
  const tenant = await river.createTenant();
  await createRule(river, tenant);
  start();
  await send(river, tenant, ["press-1", 1, 95]);
  await waitFor(async () => (await shownAlerts(river, tenant)).includes("press-1 1 ACTIVE"));
  await allAcknowledged();
  for (const processor of started) await processor.stop();
  started = [];
  await (await river.nats.jetstreamManager()).streams.delete(streams.frames);
  await ensureIngestStreams(river.nats);
  expect(await send(river, tenant, ["press-1", 2, 80])).toBe(1);
  start();
  await waitFor(async () => (await shownAlerts(river, tenant)).includes("press-1 1 RESOLVED condition-cleared"));
  await allAcknowledged();
});

test("while the event store is away frames are judged and kept, and its alerts are told when it is back", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "fleetlog-processor-"));
  const logger = silentLogger;
  let store = await startEventStore({ path: dataDir, logger });
  const { port, url } = store;
  const client = connectEventStore(url);
  try {
    const commands = createCommands({ client, metrics: createMetrics() });
    const tenant = await river.createTenant();
    await createRule(river, tenant);
    const processor = start({}, { commands });
    await store.stop();
    await send(river, tenant, ["press-1", 1, 95], ["press-2", 1, 95]);
    await waitFor(() => processor.health()[0]?.state === "degraded", { what: "the processor to say so" });
    // Stored with the states, so the frames need not wait for the event store.
    await send(river, tenant, ["press-1", 2, 80]);
    await waitFor(async () => (await consumer()).open <= 2);
    await processor.stop();
    const next = start({}, { commands });
    store = await startEventStore({ path: dataDir, port, logger });
    await waitFor(() => next.health()[0]?.state === "up" && next.health()[0]?.detail === undefined);
    const stored: string[] = [];
    await waitFor(async () => {
      stored.splice(0);
      for await (const { event } of client.readAll()) {
        if (event !== undefined && !event.type.startsWith("$")) stored.push(`${event.type} ${event.streamId}`);
      }
      return stored.length >= 3;
    });
    expect(new Set(stored).size).toBe(3);
    expect(stored.filter((line) => line.startsWith("AlertRaised"))).toHaveLength(2);
  } finally {
    await client.dispose();
    await store.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});

test("while the document store is away alerts are told, and no frame is let go before its states are stored", async () => {
  const path = await mkdtemp(join(tmpdir(), "fleetlog-processor-"));
  const logger = silentLogger;
  let store = await startDocumentStore({ path, logger });
  const { port, url } = store;
  const mongo = connectMongo(url, "fleetlog");
  try {
    const tenant = await river.createTenant();
    await createRule(river, tenant);
    const processor = start({}, { db: mongo.db });
    await waitFor(() => processor.health()[0]?.state === "up");
    await store.stop();
    await send(river, tenant, ["press-1", 1, 95]);
    await waitFor(async () => (await shownAlerts(river, tenant)).includes("press-1 1 ACTIVE"));
    await waitFor(() => processor.health()[0]?.detail?.startsWith("the states of rules are not stored"));
    expect((await consumer()).open).toBeGreaterThan(0);
    store = await startDocumentStore({ path, port, logger });
    await allAcknowledged();
    expect(processor.health()[0]?.state).toBe("up");
    expect(await mongo.db.collection("rule_states").countDocuments({ tenantId: tenant, "state.phase": "active" })).toBe(
      1,
    );
    for (const one of started) await one.stop();
    started = [];
  } finally {
    await mongo.close();
    await store.stop();
    await rm(path, { recursive: true, force: true });
  }
});
