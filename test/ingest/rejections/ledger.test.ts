/** The ledger on real servers: refused at a door, kept by JetStream, copied into the document store, asked and replayed. */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startDocumentStore } from "../../../src/embedded/documents/index.js";
import { connectMongo } from "../../../src/engines/mongo.js";
import type { Mongo } from "../../../src/engines/mongo.js";
import { feedFrames } from "../../../src/ingest/index.js";
import type { Outcome, Reading, RejectionQueries } from "../../../src/ingest/index.js";
import { createRejectionQueries, createRejectionReplay, startRejectionLedger } from "../../../src/ingest/index.js";
import type { RejectionReplay } from "../../../src/ingest/index.js";
import { deviceId, deviceTypeId, tenantId } from "../../../src/domain/ids.js";
import { keepDeadLetters } from "../../../src/ingest/rejections/dead-letters.js";
import { encodeRejection } from "../../../src/ingest/rejections/rejection.js";
import type { HasHealth, Running } from "../../../src/platform/lifecycle.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { subjects } from "../../../src/platform/subjects.js";
import { waitFor } from "../../support/wait-for.js";
import { gatewayUnderTest, natsUnderTest, temporaryDir } from "../support.js";
import type { GatewayUnderTest, NatsUnderTest, Temporary } from "../support.js";

let nats: NatsUnderTest;
let dir: Temporary;
let documents: Running & { readonly url: string };
let mongo: Mongo;
let gateway: GatewayUnderTest;
let ledger: Running & HasHealth;
let queries: RejectionQueries;
let replay: RejectionReplay;
const stored: Reading[] = [];
let frames: ReturnType<typeof feedFrames>;
let n = 0;
let tenant = "";

beforeAll(async () => {
  [nats, dir] = await Promise.all([natsUnderTest(), temporaryDir()]);
  documents = await startDocumentStore({ path: join(dir.dir, "documents"), logger: silentLogger });
  mongo = connectMongo(documents.url, "fleetlog");
  gateway = await gatewayUnderTest(nats.nc);
  queries = createRejectionQueries(mongo.db);
  replay = createRejectionReplay({ ingest: gateway.ingest, registry: gateway.registry, rejections: queries });
  frames = feedFrames({ nc: nats.nc, consumer: "writer", logger: silentLogger });
  void (async () => {
    for await (const frame of frames.frames) {
      stored.push(...frame.readings);
      frame.message.ack();
    }
  })();
});
beforeEach(() => {
  n += 1;
  tenant = `t${n}`;
  ledger = start();
});
afterEach(() => ledger.stop());
afterAll(async () => {
  frames.stop();
  await gateway.stop();
  await mongo.close();
  await documents.stop();
  await nats.stop();
  await dir.remove();
});

function start(options: Parameters<typeof startRejectionLedger>[1] = {}): Running & HasHealth {
  return startRejectionLedger({ nc: nats.nc, db: mongo.db, logger: silentLogger, metrics: createMetrics() }, options);
}

async function send(device: string, payload: string): Promise<Outcome> {
  const access = await gateway.registry.find(tenant, device);
  if (access === undefined) throw new Error(`no device ${device}`);
  const topic = `v1/${tenant}/${device}/telemetry`;
  return new Promise((done) =>
    gateway.ingest.accept("telemetry", access, Buffer.from(payload), { door: "mqtt", topic }, done),
  );
}

const everything = { from: "2020-01-01T00:00:00.000Z", to: "2100-01-01T00:00:00.000Z", first: 100 } as const;

async function kept(count: number) {
  return waitFor(async () => {
    const { items } = await queries.page(tenant, {}, { first: 500 });
    return items.length >= count ? items.map(({ document }) => document) : undefined;
  });
}

async function counted(by: "code" | "door" | "deviceId" = "code"): Promise<Readonly<Record<string, number>>> {
  const rows = await queries.counts(tenant, { ...everything, by });
  return Object.fromEntries(rows.map(({ key, count }) => [key, count]));
}

/** A rejection of so many seconds after the first. */
async function put(of: string, seconds: number): Promise<void> {
  const at = Date.now() - 1_000_000 + seconds * 1_000;
  const why = { code: "INVALID_VALUE", message: "wrong" } as const;
  const refused = { door: "mqtt", why, topic: "t", payload: Buffer.from(String(seconds)), at } as const;
  await nats.nc.jetstream().publish(subjects.rejection(of, `d${seconds % 3}`), encodeRejection(refused));
}

describe("the ledger", () => {
  test("shows what was refused, with the reason and the payload, to its own tenant only", async () => {
    gateway.models.put(tenant, "d1");
    expect(await send("d1", '{"a":{}}')).toMatchObject({ kind: "refused" });
    const [rejection] = await kept(1);
    expect(rejection).toMatchObject({
      tenantId: tenant,
      deviceId: "d1",
      door: "mqtt",
      code: "INVALID_VALUE",
      topic: `v1/${tenant}/d1/telemetry`,
      payload: '{"a":{}}',
      encoding: "utf8",
      bytes: 8,
    });
    const other = await queries.page("another", {}, { first: 10 });
    expect(other.items).toEqual([]);
    expect(await queries.find("another", [rejection?.rejectionId ?? ""])).toEqual([]);
    const { results } = await replay.replay("another", "tester", { ids: [rejection?.rejectionId ?? ""] });
    expect(results).toMatchObject([{ outcome: "NOT_FOUND" }]);
    expect(await queries.counts("another", { ...everything, by: "code" })).toEqual([]);
  });

  test("filters and counts by code, door and device", async () => {
    gateway.models.put(tenant, "d1");
    gateway.models.put(tenant, "d2");
    await send("d1", "nonsense");
    await send("d1", '{"a":{}}');
    await send("d2", "nonsense");
    await kept(3);
    await waitFor(async () => (await counted("door"))["mqtt"] === 3, { what: "the counts" });
    expect(await counted("code")).toEqual({ MALFORMED_PAYLOAD: 2, INVALID_VALUE: 1 });
    expect(await counted("deviceId")).toEqual({ d1: 2, d2: 1 });
    expect(await counted("door")).toEqual({ mqtt: 3 });
    const of = async (query: Parameters<RejectionQueries["page"]>[1]) =>
      (await queries.page(tenant, query, { first: 10 })).items.length;
    expect(await of({ deviceId: "d1" })).toBe(2);
    expect(await of({ code: "MALFORMED_PAYLOAD", deviceId: "d2" })).toBe(1);
    expect(await of({ door: "http" })).toBe(0);
    expect(await of({ to: "2020-01-01T00:00:00.000Z" })).toBe(0);
    expect(await queries.count(tenant, { code: "MALFORMED_PAYLOAD" })).toBe(2);
  });

  test("of a flood keeps a sample and counts all, and another tenant's rejections stay whole", async () => {
    const flooding = tenant;
    gateway.models.put(flooding, "hostile");
    gateway.models.put(`${flooding}x`, "d1");
    const flood = Array.from({ length: 5_000 }, () => send("hostile", "{"));
    tenant = `${flooding}x`;
    await send("d1", "{");
    expect((await kept(1)).length).toBe(1);
    tenant = flooding;
    const outcomes = await Promise.all(flood);
    expect(outcomes.every(({ kind }) => kind === "refused")).toBe(true);
    await waitFor(async () => (await counted())["MALFORMED_PAYLOAD"] === 5_000, { what: "all to be counted" });
    const sample = await queries.count(flooding, {});
    expect(sample).toBeGreaterThanOrEqual(60);
    expect(sample).toBeLessThan(1_000);
  });

  test("is bounded for each tenant on its own: the oldest go", async () => {
    await ledger.stop();
    const quiet = `${tenant}q`;
    await put(quiet, 0);
    for (let seconds = 0; seconds < 60; seconds += 1) await put(tenant, seconds);
    ledger = start({ perTenant: 20 });
    await waitFor(async () => (await counted())["INVALID_VALUE"] === 60);
    await waitFor(async () => (await queries.count(tenant, {})) <= 20);
    const { items } = await queries.page(tenant, {}, { first: 100 });
    expect(items[0]?.document.payload).toBe("59");
    expect(items.every(({ document }) => Number(document.payload) >= 40)).toBe(true);
    expect(await queries.count(quiet, {})).toBe(1);
  });

  test("killed and started again, or run twice, it counts nothing twice and misses nothing", async () => {
    gateway.models.put(tenant, "d1");
    const second = start();
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(Array.from({ length: 30 }, () => send("d1", "{")));
      await ledger.stop();
      // As after a kill between the writes and the checkpoint: the whole stream is read again.
      await mongo.db.collection("rejection_ledger").deleteMany({});
      ledger = start();
    }
    await waitFor(async () => ((await counted())["MALFORMED_PAYLOAD"] ?? 0) >= 150);
    await second.stop();
    await ledger.stop();
    await mongo.db.collection("rejection_ledger").deleteMany({});
    ledger = start();
    gateway.models.put(tenant, "last");
    await send("last", "{");
    await waitFor(async () => (await counted("deviceId"))["last"] === 1);
    expect((await counted("deviceId"))["d1"]).toBe(150);
  });
});

describe("a replay", () => {
  test("takes in what its cause no longer refuses, at the time at which it first came", async () => {
    gateway.models.put(tenant, "d1");
    gateway.models.define(tenant, "sensor", [{ name: "b", kind: "number" } as never]);
    await send("d1", '{"a":1}');
    const [rejection] = await kept(1);
    if (rejection === undefined) throw new Error("nothing was kept");
    const again = await replay.replay(tenant, "tester", { ids: [rejection.rejectionId] });
    expect(again.results).toMatchObject([{ outcome: "REFUSED", code: "UNKNOWN_METRIC" }]);
    expect(await kept(1)).toMatchObject([{ replayed: { outcome: "REFUSED", by: "tester" } }]);

    const type = gateway.models.define(tenant, "sensor", [{ name: "a", kind: "number" } as never]);
    nats.nc.publish(
      subjects.changed("device-type", tenant, "sensor"),
      JSON.stringify({ entity: "device-type", id: "sensor", document: type }),
    );
    await waitFor(async () => {
      const { results } = await replay.replay(tenant, "tester", { query: { deviceId: "d1" } });
      return results[0]?.outcome === "STORED";
    });
    const reading = await waitFor(() => stored.find(({ tenantId }) => tenantId === tenant));
    expect(reading).toMatchObject({ deviceId: "d1", values: { a: 1 } });
    expect(new Date(reading.timestamp).toISOString()).toBe(rejection.at);
    expect(reading.receivedAt).toBe(reading.timestamp);

    const third = await replay.replay(tenant, "tester", { ids: [rejection.rejectionId] });
    expect(third.results).toMatchObject([{ outcome: "ALREADY_STORED" }]);
    expect(stored.filter(({ tenantId }) => tenantId === tenant)).toHaveLength(1);
    // Refused again, it stayed one rejection.
    expect((await kept(1)).length).toBe(1);
    await waitFor(async () => (await counted())["UNKNOWN_METRIC"] !== undefined, { what: "the counts" });
    expect(await counted()).toEqual({ UNKNOWN_METRIC: 1 });
  });

  test("of what InfluxDB refused goes past the pipeline, which it had passed", async () => {
    gateway.models.put(tenant, "d1");
    const at = Date.now() - 60_000;
    const reading = {
      tenantId: tenantId(tenant),
      deviceId: deviceId("d1"),
      deviceType: deviceTypeId("sensor"),
      receivedAt: at,
      timestamp: at - 1_000,
      values: { calibrated: 1.5 },
    };
    await keepDeadLetters(nats.nc, [{ reading, line: `sensor_data calibrated=1.5 ${at}000000`, reason: "no" }]);
    const [rejection] = await kept(1);
    expect(rejection).toMatchObject({ door: "writer", line: `sensor_data calibrated=1.5 ${at}000000` });
    const { results } = await replay.replay(tenant, "tester", { query: { door: "writer" } });
    expect(results).toMatchObject([{ outcome: "STORED" }]);
    expect(await waitFor(() => stored.find((one) => one.tenantId === tenant))).toEqual(reading);
  });

  test("killed before it was marked, stores the same point again", async () => {
    gateway.models.put(tenant, "d1", { status: "ACTIVE" });
    const refusal = { code: "NOT_FOUND", message: "there was no such device" } as const;
    const payload = Buffer.from('{"a":1}');
    const device = gateway.models.put(tenant, "d1");
    const source = {
      door: "nats",
      topic: "somewhere",
      form: { as: "message", topic: "telemetry" },
    } as const;
    await new Promise((done) => gateway.ingest.refuse(device, refusal, payload, source, done));
    const [rejection] = await kept(1);
    const ids = [rejection?.rejectionId ?? ""];
    const forgetful = createRejectionReplay({
      ingest: gateway.ingest,
      registry: gateway.registry,
      rejections: { ...queries, mark: () => Promise.reject(new Error("killed")) },
    });
    await expect(forgetful.replay(tenant, "tester", { ids })).rejects.toThrow("killed");
    expect((await replay.replay(tenant, "tester", { ids })).results).toMatchObject([{ outcome: "STORED" }]);
    await waitFor(() => stored.filter(({ tenantId }) => tenantId === tenant).length === 2);
    const [first, second] = stored.filter(({ tenantId }) => tenantId === tenant);
    expect(second).toEqual(first);
  });

  test("says of a message that is too large to be kept whole that it cannot be replayed", async () => {
    gateway.models.put(tenant, "d1");
    await send("d1", `{"a": "${"x".repeat(40_000)}"`);
    const [rejection] = await kept(1);
    expect(rejection?.bytes).toBeGreaterThan(40_000);
    const { results } = await replay.replay(tenant, "tester", { ids: [rejection?.rejectionId ?? "", "unknown"] });
    expect(results).toMatchObject([{ outcome: "NOT_REPLAYABLE" }, { outcome: "NOT_FOUND" }]);
    expect(results[0]?.reason).toMatch(/only the beginning/u);
  });

  test("replays by filter, oldest first, and goes on where it stopped", async () => {
    gateway.models.put(tenant, "d1");
    await ledger.stop();
    for (let seconds = 0; seconds < 520; seconds += 1) {
      const at = Date.now() - 1_000_000 + seconds * 1_000;
      const why = { code: "INVALID_VALUE", message: "wrong" } as const;
      const payload = Buffer.from(seconds === 3 ? "nonsense" : `{"n":${seconds}}`);
      const form = { as: "message", topic: "telemetry" } as const;
      const refused = { door: "mqtt", why, topic: "t", payload, at, form } as const;
      await nats.nc.jetstream().publish(subjects.rejection(tenant, "d1"), encodeRejection(refused));
    }
    ledger = start();
    await waitFor(async () => (await queries.count(tenant, {})) === 520);
    const untriedSince = new Date().toISOString();
    const first = await replay.replay(tenant, "tester", { query: {}, untriedSince });
    expect(first.results).toHaveLength(500);
    expect(first.more).toBe(true);
    expect(first.results[3]).toMatchObject({ outcome: "REFUSED", code: "MALFORMED_PAYLOAD" });
    const second = await replay.replay(tenant, "tester", { query: {}, untriedSince });
    expect(second.results).toHaveLength(20);
    expect(second.more).toBe(false);
    await waitFor(() => stored.filter(({ tenantId }) => tenantId === tenant).length === 519);
    const ours = stored.filter(({ tenantId }) => tenantId === tenant).map(({ values }) => values["n"]);
    expect(ours).toEqual(Array.from({ length: 520 }, (_, seconds) => seconds).filter((seconds) => seconds !== 3));
  });
});
