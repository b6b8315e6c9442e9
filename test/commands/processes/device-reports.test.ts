import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createDeviceHealthQueries, startDeviceReports } from "../../../src/commands/processes/index.js";
import type { DeviceReportsOptions } from "../../../src/commands/processes/index.js";
import type { DeviceCommand } from "../../../src/domain/device/index.js";
import type { DeviceId, TenantId } from "../../../src/domain/ids.js";
import { readAggregateEvents, streamName } from "../../../src/events/index.js";
import { ensureIngestStreams } from "../../../src/ingest/index.js";
import { FleetlogError } from "../../../src/platform/errors.js";
import { newId } from "../../../src/platform/ids.js";
import type { HasHealth, Running } from "../../../src/platform/lifecycle.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { streams, subjects } from "../../../src/platform/subjects.js";
import type { DeviceDocument } from "../../../src/projections/index.js";
import { at, startRiver, system } from "../../support/river.js";
import type { River } from "../../support/river.js";
import { waitFor } from "../../support/wait-for.js";

let river: River;
let tenant: TenantId;
let started: (Running & HasHealth)[] = [];
/** Devices that a gateway is said to hold. */
const held = new Set<string>();

beforeAll(async () => {
  river = await startRiver();
  await ensureIngestStreams(river.nats);
  tenant = await river.createTenant();
});
afterEach(async () => {
  for (const reports of started) await reports.stop();
  started = [];
  held.clear();
});
afterAll(() => river.stop());

function start(options: Partial<DeviceReportsOptions> = {}): Running & HasHealth {
  const reports = startDeviceReports(
    {
      nc: river.nats,
      db: river.mongo.db,
      commands: river.commands,
      activity: { namedSince: (_tenant, device) => held.has(device) },
      logger: silentLogger,
      metrics: createMetrics(),
    },
    { graceSeconds: 0, settleMs: 0, ...options },
  );
  started.push(reports);
  return reports;
}

async function give(device: DeviceId, command: DeviceCommand): Promise<void> {
  await river.commands.execute({ category: "device", tenantId: tenant, id: device, command, actor: system });
}

async function report(kind: "config" | "health" | "presence", device: string, body: unknown): Promise<void> {
  await river.nats.jetstream().publish(subjects.report(kind, tenant, device), JSON.stringify(body));
}

/** Milliseconds ago. */
const ago = (ms: number): number => Date.now() - ms;

const shown = (device: DeviceId, what: string, is: (document: DeviceDocument) => boolean) =>
  waitFor(
    async () => {
      const document = await river.readModels.devices.find(tenant, device);
      return document !== undefined && is(document) && document;
    },
    { what },
  );

/** Of the history itself: the read model may be behind it. */
async function revisionOf(device: DeviceId): Promise<number> {
  let last = -1;
  for await (const { revision } of readAggregateEvents(river.client, streamName("device", tenant, device)))
    last = revision;
  return last;
}

async function waiting(): Promise<number> {
  const { num_pending, num_ack_pending } = await (
    await river.nats.jetstreamManager()
  ).consumers.info(streams.reports, "workflows");
  return num_pending + num_ack_pending;
}

const allDone = () => waitFor(async () => (await waiting()) === 0, { what: "every report to be acted upon" });

async function rejections(device: string): Promise<readonly Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  const subscription = await river.nats
    .jetstream()
    .consumers.get(streams.rejections, { filterSubjects: subjects.rejection(tenant, device) });
  for (;;) {
    const message = await subscription.next({ expires: 1_000 });
    if (message === null) return found;
    found.push(message.json());
  }
}

describe("configuration", () => {
  test("applied, then failed, as the device says", async () => {
    const device = await river.registerDevice(tenant);
    await give(device, { type: "SetConfiguration", at: at(), data: { config: { rate: 1 } } });
    start();
    await report("config", device, { at: ago(0), version: 1, status: "applied" });
    await shown(device, "the version to be applied", ({ configuration }) => configuration.status === "APPLIED");
    await give(device, { type: "SetConfiguration", at: at(), data: { config: { rate: 2 } } });
    await report("config", device, { at: ago(0), version: 2, status: "failed", error: "no such rate" });
    const { configuration } = await shown(
      device,
      "it to fail",
      (document) => document.configuration.status === "FAILED",
    );
    expect(configuration.reported).toMatchObject({ version: 2, status: "FAILED", error: "no such rate" });
  });

  test("of a version that was never sent is refused, kept with the reason, and holds nothing up", async () => {
    const device = await river.registerDevice(tenant);
    start();
    await report("config", device, { at: ago(0), version: 7, status: "applied" });
    await report("health", device, { at: ago(0), firmwareVersion: "2.0.0" });
    await shown(device, "the firmware", ({ firmwareVersion }) => firmwareVersion === "2.0.0");
    expect(await rejections(device)).toEqual([
      expect.objectContaining({
        door: "reports",
        code: "INVALID_VALUE",
        reason: `device ${device} reported configuration version 7, but the newest is 0`,
        topic: subjects.report("config", tenant, device),
      }),
    ]);
  });

  test.each([
    ["nobody", { at: 1, version: 1, status: "applied" }, "NOT_FOUND"],
    ["garbled", { at: 1, version: "one" }, "MALFORMED_PAYLOAD"],
  ])("of %s is refused as such", async (device, body, code) => {
    start();
    await report("config", device, body);
    await allDone();
    expect(await rejections(device)).toEqual([expect.objectContaining({ code })]);
  });
});

test("what is no JSON at all is refused, too, and waits for no engine", async () => {
  start();
  await river.nats.jetstream().publish(subjects.report("health", tenant, "noise"), "no JSON");
  await allDone();
  expect(await rejections("noise")).toEqual([
    expect.objectContaining({ code: "MALFORMED_PAYLOAD", payload: "no JSON" }),
  ]);
});

describe("health", () => {
  test("the newest is kept, whatever its fields are called, and its firmware is recorded", async () => {
    const device = await river.registerDevice(tenant);
    start();
    await report("health", device, { at: ago(0), battery: 80, firmwareVersion: "1.0.0" });
    await report("health", device, { at: ago(0), battery: 79, firmwareVersion: "1.0.1", "$odd.name": { a: 1 } });
    const { firmwareVersion } = await shown(device, "the firmware", (document) => document.firmwareVersion === "1.0.1");
    expect(firmwareVersion).toBe("1.0.1");
    await allDone();
    expect(await createDeviceHealthQueries(river.mongo.db).find(tenant, device)).toEqual({
      at: expect.any(Date) as Date,
      battery: 79,
      firmwareVersion: "1.0.1",
      other: { "$odd.name": { a: 1 } },
    });
    expect(await createDeviceHealthQueries(river.mongo.db).find(tenant, "other")).toBeUndefined();
  });
});

const online = (session: string, ms: number) => ({ online: true, at: ago(ms), session });
const offline = (session: string, ms: number) => ({ online: false, at: ago(ms), session, reason: "connection-lost" });

describe("presence", () => {
  test("online at once, offline with its reason", async () => {
    const device = await river.registerDevice(tenant);
    start();
    const session = newId();
    await report("presence", device, online(session, 10));
    await shown(device, "it to be online", ({ connectivity }) => connectivity.online);
    await report("presence", device, offline(session, 5));
    const { connectivity } = await shown(device, "it to be offline", (document) => !document.connectivity.online);
    expect(connectivity.reason).toBe("connection-lost");
  });

  test("the end of a connection that another took over says nothing", async () => {
    const device = await river.registerDevice(tenant);
    start();
    const [first, second] = [newId(), newId()];
    await report("presence", device, online(first, 30));
    await report("presence", device, online(second, 20));
    await report("presence", device, offline(first, 10));
    await allDone();
    // Registered and online: there was no third event.
    expect(await revisionOf(device)).toBe(1);
  });

  test("a device that a gateway still holds is not offline", async () => {
    const device = await river.registerDevice(tenant);
    start();
    held.add(device);
    const session = newId();
    await report("presence", device, online(session, 30));
    await report("presence", device, offline(session, 10));
    await allDone();
    // Registered and online: there was no third event.
    expect(await revisionOf(device)).toBe(1);
  });

  test("who comes back within the grace time was never away, and the wait outlives our restart", async () => {
    const away = await river.registerDevice(tenant);
    const back = await river.registerDevice(tenant);
    const first = start({ graceSeconds: 1.5 });
    for (const device of [away, back]) await report("presence", device, online(newId(), 30));
    await shown(back, "it to be online", ({ connectivity }) => connectivity.online);
    const ended = newId();
    for (const device of [away, back]) await report("presence", device, offline(ended, 0));
    await waitFor(async () => (await waiting()) === 2, { what: "both to wait for the grace time" });
    await first.stop();
    start({ graceSeconds: 1.5 });
    await report("presence", back, online(newId(), 0));
    await shown(away, "it to be offline", ({ connectivity }) => !connectivity.online);
    await allDone();
    // Registered and online: there was no third event.
    expect(await revisionOf(back)).toBe(1);
  });
});

test("while the event store is away reports wait, and are then acted upon in order", async () => {
  const device = await river.registerDevice(tenant);
  let away = true;
  const reports = startDeviceReports(
    {
      nc: river.nats,
      db: river.mongo.db,
      // The real commands, behind a door that can be shut.
      commands: {
        execute: async (request) => {
          if (away) throw new FleetlogError("UNAVAILABLE", "the event store is away");
          return river.commands.execute(request);
        },
      },
      activity: { namedSince: () => false },
      logger: silentLogger,
      metrics: createMetrics(),
    },
    { graceSeconds: 0, settleMs: 0 },
  );
  started.push(reports);
  for (const version of ["1", "2", "3"]) await report("health", device, { at: ago(0), firmwareVersion: version });
  await waitFor(() => reports.health()[0]?.state === "degraded");
  away = false;
  const { firmwareVersion } = await shown(device, "the last firmware", (document) => document.revision === 3);
  expect(firmwareVersion).toBe("3");
  await allDone();
  expect(reports.health()[0]?.state).toBe("up");
});
