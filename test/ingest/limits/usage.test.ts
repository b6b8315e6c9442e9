import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDocumentStore } from "../../../src/embedded/documents/index.js";
import { connectMongo } from "../../../src/engines/mongo.js";
import type { Mongo } from "../../../src/engines/mongo.js";
import { createUsageQueries, startUsageKeeper } from "../../../src/ingest/index.js";
import { createIngestCounters } from "../../../src/ingest/counters.js";
import { createUsage } from "../../../src/ingest/limits/usage.js";
import { measureUsage } from "../../../src/ingest/limits/usage-metrics.js";
import { startUsageReport } from "../../../src/ingest/limits/usage-report.js";
import type { UsageMessage } from "../../../src/ingest/limits/usage-report.js";
import { createPublisher } from "../../../src/ingest/jetstream/publisher.js";
import type { Publisher } from "../../../src/ingest/jetstream/publisher.js";
import { FleetlogError } from "../../../src/platform/errors.js";
import type { Running } from "../../../src/platform/lifecycle.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { streams, subjects } from "../../../src/platform/subjects.js";
import { waitFor } from "../../support/wait-for.js";
import { natsUnderTest, temporaryDir } from "../support.js";
import type { NatsUnderTest, Temporary } from "../support.js";

const logger = silentLogger;
const HOUR = 3_600_000;
const NOON = Date.parse("2027-03-01T12:00:00.000Z");

let nats: NatsUnderTest;
let dir: Temporary;
let documents: Running & { readonly url: string };
let mongo: Mongo;
let publisher: Publisher;

beforeAll(async () => {
  nats = await natsUnderTest();
  dir = await temporaryDir();
  documents = await startDocumentStore({ path: join(dir.dir, "documents"), logger });
  mongo = connectMongo(documents.url, "fleetlog");
  publisher = createPublisher({ nc: nats.nc, logger, counters: createIngestCounters(createMetrics()) });
}, 60_000);

afterAll(async () => {
  await publisher.stop();
  await mongo.close();
  await documents.stop();
  await nats.stop();
  await dir.remove();
});

/** A process with doors whose clock is the test's; `report` says what it has counted, `later` is at that time. */
function counting(through: Publisher = publisher) {
  let now = NOON;
  const usage = createUsage();
  const report = startUsageReport({ usage, publisher: through, logger, everyMs: 1e9, clock: () => now });
  return {
    usage,
    later(ms: number) {
      now += ms;
    },
    /** As the timer does. */
    async report() {
      await report.stop();
      await through.drained();
    },
  };
}

describe("what a tenant uses", () => {
  it("is recorded by the hour, over all processes, and stays right however often and late it is told", async () => {
    const keeper = startUsageKeeper({ nc: nats.nc, db: mongo.db, logger });
    const [a, b] = [counting(), counting()];
    a.usage.received("acme", 100);
    a.usage.received("acme", 50);
    a.usage.stored("acme", 3);
    a.usage.connections("acme", 7);
    a.usage.connections("acme", 2);
    b.usage.received("acme", 10);
    b.usage.refused("acme");
    b.usage.waited("acme");
    b.usage.received("other", 1);
    await a.report();
    await a.report();
    await b.report();
    a.later(HOUR);
    // Counted around the full hour: still the old one's.
    a.usage.received("acme", 1);
    await a.report();
    a.usage.received("acme", 1_000);
    await a.report();
    const queries = createUsageQueries(mongo.db);
    const hours = await waitFor(async () => {
      const found = await queries.hours("acme", NOON, NOON + 2 * HOUR);
      return found.length === 2 && found[0]?.messages === 4 ? found : undefined;
    });
    expect(hours).toEqual([
      {
        hour: "2027-03-01T12:00:00.000Z",
        messages: 4,
        bytes: 161,
        readings: 3,
        waits: 1,
        refusals: 1,
        peakConnections: 7,
      },
      {
        hour: "2027-03-01T13:00:00.000Z",
        messages: 1,
        bytes: 1_000,
        readings: 0,
        waits: 0,
        refusals: 0,
        peakConnections: 2,
      },
    ]);
    expect(await queries.hours("other", NOON, NOON + HOUR)).toMatchObject([{ messages: 1 }]);
    expect(await queries.hours("acme", NOON + HOUR, NOON + HOUR)).toEqual([]);
    await keeper.stop();
  });

  it("is counted for so many tenants and no more: a bridge may hear of ever new ones", () => {
    const usage = createUsage(2);
    for (const tenant of ["a", "b", "c", "d", "a"]) usage.refused(tenant);
    expect([...usage.all()].map(([tenant, { refusals }]) => [tenant, refusals])).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
  });

  it("is the largest total that was told, whatever comes again, late, or is no word of ours", async () => {
    const js = nats.nc.jetstream();
    const total = (messages: number, instance = "p1"): UsageMessage => ({
      instance,
      hour: NOON,
      tenants: [["late", messages, messages, 0, 0, 0, 0]],
    });
    await js.publish(subjects.usage, "no JSON");
    await js.publish(subjects.usage, JSON.stringify({ hour: "noon", tenants: [] }));
    for (const message of [total(5), total(9), total(9), total(5), total(1, "p2"), total(0, "p3")]) {
      await js.publish(subjects.usage, JSON.stringify(message));
    }
    const keeper = startUsageKeeper({ nc: nats.nc, db: mongo.db, logger });
    const queries = createUsageQueries(mongo.db);
    await waitFor(async () => (await queries.hours("late", NOON, NOON + HOUR))[0]?.messages === 10);
    await waitFor(async () => {
      const manager = await nats.nc.jetstreamManager();
      return (await manager.streams.info(streams.usage)).state.messages === 0;
    });
    expect(await queries.hours("late", NOON, NOON + HOUR)).toMatchObject([{ messages: 10 }]);
    await keeper.stop();
  });

  it("waits for JetStream where it is away, and is told when it is back", async () => {
    const told: UsageMessage[] = [];
    let away = true;
    const flaky: Publisher = {
      ...publisher,
      publish(_subject, data, done) {
        if (!away) told.push(JSON.parse(Buffer.from(data).toString("utf8")) as UsageMessage);
        done(away ? new FleetlogError("UNAVAILABLE", "away") : undefined);
      },
    };
    const process = counting(flaky);
    process.usage.received("acme", 1);
    await process.report();
    process.later(HOUR);
    await process.report();
    away = false;
    await process.report();
    expect(told).toEqual([{ instance: expect.any(String), hour: NOON, tenants: [["acme", 1, 1, 0, 0, 0, 0]] }]);
  });
});

describe("the metrics of tenants", () => {
  it("name the busiest, put the others together, and only ever grow", async () => {
    const usage = createUsage();
    const registry = createMetrics();
    measureUsage(usage, registry, 2);
    const scrape = async (): Promise<Record<string, number>> => {
      const text = await registry.getSingleMetricAsString("fleetlog_tenant_messages_total");
      return Object.fromEntries(
        [...text.matchAll(/\{tenant="(\w+)"\} (\d+)/gu)].map(([, tenant = "", count]) => [tenant, Number(count)]),
      );
    };
    const send = (tenant: string, count: number): void => {
      for (let time = 0; time < count; time += 1) usage.received(tenant, 1);
    };
    send("a", 10);
    send("b", 5);
    send("c", 1);
    send("d", 1);
    expect(await scrape()).toEqual({ a: 10, b: 5, other: 2 });
    send("c", 100);
    expect(await scrape()).toEqual({ a: 10, c: 100, other: 2 });
    send("b", 1_000);
    send("c", 1_000);
    expect(await scrape()).toEqual({ b: 1_000, c: 1_100, other: 2 });
  });
});
