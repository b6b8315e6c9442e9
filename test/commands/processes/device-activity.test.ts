import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createDeviceActivityQueries, startDeviceActivity } from "../../../src/commands/processes/index.js";
import type { DeviceActivity, DeviceActivityOptions } from "../../../src/commands/processes/index.js";
import type { DeviceId, TenantId } from "../../../src/domain/ids.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { subjects } from "../../../src/platform/subjects.js";
import { at, startRiver, system } from "../../support/river.js";
import type { River } from "../../support/river.js";
import { waitFor } from "../../support/wait-for.js";

let river: River;
let tenant: TenantId;
let started: DeviceActivity[] = [];

beforeAll(async () => {
  river = await startRiver();
  tenant = await river.createTenant();
});
afterEach(async () => {
  for (const activity of started) await activity.stop();
  started = [];
});
afterAll(() => river.stop());

function start(options: Partial<DeviceActivityOptions> = {}): DeviceActivity {
  const activity = startDeviceActivity(
    {
      nc: river.nats,
      db: river.mongo.db,
      commands: river.commands,
      devices: river.readModels.devices,
      logger: silentLogger,
      metrics: createMetrics(),
    },
    { graceSeconds: 0, storeMs: 20, sweepMs: 20, silenceMs: 300, ...options },
  );
  started.push(activity);
  return activity;
}

/** A gateway's word: a device that it holds, and when that was heard. */
function tell([device, heardAt]: readonly [device: string, heardAt: number], at = Date.now()): void {
  river.nats.publish(subjects.seen, JSON.stringify({ gateway: "g1", at, devices: [[tenant, device, heardAt]] }));
}

async function onlineDevice(since = at()): Promise<DeviceId> {
  const device = await river.registerDevice(tenant);
  const command = { type: "ReportOnline", at: at(), data: { since } } as const;
  const outcome = await river.commands.execute({
    category: "device",
    tenantId: tenant,
    id: device,
    command,
    actor: system,
  });
  expect(await river.shown.wait("device", outcome.position, 10_000)).toBe(true);
  return device;
}

const connectivity = async (device: DeviceId) => (await river.readModels.devices.find(tenant, device))?.connectivity;

describe("last seen", () => {
  test("is stored in bulk and never goes back", async () => {
    const activity = start();
    const queries = createDeviceActivityQueries(river.mongo.db);
    tell(["a", 2_000]);
    tell(["b", 5_000]);
    tell(["a", 1_000]);
    await waitFor(async () => (await queries.lastSeen(tenant, ["b"]))[0] !== undefined);
    tell(["a", 3_000]);
    await waitFor(async () => (await queries.lastSeen(tenant, ["a"]))[0]?.getTime() === 3_000);
    expect(await queries.lastSeen(tenant, ["b", "nobody", "a"])).toEqual([new Date(5_000), undefined, new Date(3_000)]);
    expect(activity.namedSince(tenant, "a", 0)).toBe(true);
    expect(activity.namedSince(tenant, "a", Date.now() + 1_000)).toBe(false);
    expect(activity.namedSince(tenant, "nobody", 0)).toBe(false);
  });

  test("and who is only heard was there then, and not when that is told", async () => {
    const activity = start();
    river.nats.publish(
      subjects.seen,
      JSON.stringify({
        gateway: "g1",
        at: 9_000,
        devices: [[tenant, "held", 1_000]],
        heard: [[tenant, "gone", 5_000]],
      }),
    );
    await waitFor(() => activity.namedSince(tenant, "gone", 4_999));
    expect(activity.namedSince(tenant, "gone", 5_000)).toBe(false);
    expect(activity.namedSince(tenant, "held", 8_999)).toBe(true);
    const queries = createDeviceActivityQueries(river.mongo.db);
    await waitFor(async () => (await queries.lastSeen(tenant, ["gone"]))[0]?.getTime() === 5_000);
  });

  test("is stored by the last breath", async () => {
    const activity = start({ storeMs: 60_000 });
    tell(["c", 2_000]);
    await waitFor(() => activity.namedSince(tenant, "c", 0));
    await activity.stop();
    expect(await createDeviceActivityQueries(river.mongo.db).lastSeen(tenant, ["c"])).toEqual([new Date(2_000)]);
  });
});

/** A clock that stands until it is set, and tells when it has been looked at: each sweep does so once, first of all. */
function handClock() {
  let now = Date.now();
  let looks = 0;
  return {
    read: () => {
      looks += 1;
      return now;
    },
    now: () => now,
    /** Time passes, and then several sweeps. */
    async pass(ms: number) {
      now += ms;
      const before = looks;
      await waitFor(() => looks >= before + 4, { what: "sweeps" });
    },
  };
}

async function heard(activity: DeviceActivity, clock: ReturnType<typeof handClock>, device: string): Promise<void> {
  tell([device, clock.now()], clock.now());
  await waitFor(() => activity.namedSince(tenant, device, clock.now() - 1));
}

describe("silent devices", () => {
  const silence = { graceSeconds: 30, silenceMs: 15_000, storeMs: 3_600_000 };

  test("a device that no gateway names any more is offline; one that is held stays, however little it says", async () => {
    const silent = await onlineDevice();
    const quiet = await onlineDevice();
    const clock = handClock();
    const activity = start({ ...silence, clock: clock.read });
    await heard(activity, clock, silent);
    for (let round = 0; round < 5; round += 1) {
      await clock.pass(10_000);
      tell([quiet, 1_000], clock.now());
      await waitFor(() => activity.namedSince(tenant, quiet, clock.now() - 1));
    }
    await waitFor(async () => (await connectivity(silent))?.online === false);
    expect(await connectivity(silent)).toMatchObject({ reason: "silent" });
    expect(await connectivity(quiet)).toMatchObject({ online: true });
  });

  test("a device that has just come is not silent, however long ago it was heard before", async () => {
    const clock = handClock();
    const activity = start({ ...silence, clock: clock.read });
    for (let round = 0; round < 5; round += 1) {
      await heard(activity, clock, "other");
      await clock.pass(10_000);
    }
    const since = new Date(clock.now()).toISOString();
    const device = await onlineDevice(since);
    tell([device, 1_000], 1_000);
    await heard(activity, clock, "other");
    await clock.pass(14_000);
    expect(await connectivity(device)).toMatchObject({ online: true });
    for (let round = 0; round < 4; round += 1) {
      await heard(activity, clock, "other");
      await clock.pass(10_000);
    }
    await waitFor(async () => (await connectivity(device))?.online === false);
    expect(await connectivity(device)).toMatchObject({ reason: "silent", since });
  });

  test("our own restart puts nobody offline: first we look for as long as a device may be away", async () => {
    const device = await onlineDevice();
    const clock = handClock();
    const activity = start({ ...silence, clock: clock.read });
    // The gateways are there, and have not named this device, yet.
    for (let round = 0; round < 4; round += 1) {
      await heard(activity, clock, "other");
      await clock.pass(11_000);
      expect(await connectivity(device)).toMatchObject({ online: true });
    }
    await heard(activity, clock, "other");
    await clock.pass(2_000);
    await waitFor(async () => (await connectivity(device))?.online === false);
  });

  test("while no gateway says anything it is we who see nothing, and after it we look again for as long", async () => {
    const device = await onlineDevice();
    const clock = handClock();
    const activity = start({ ...silence, clock: clock.read });
    await heard(activity, clock, device);
    await clock.pass(120_000);
    expect(await connectivity(device)).toMatchObject({ online: true });
    await heard(activity, clock, "other");
    await clock.pass(14_000);
    expect(await connectivity(device)).toMatchObject({ online: true });
    // Nobody restarts for so long: the devices are cut off, whatever became of the gateways.
    await clock.pass(400_000);
    await waitFor(async () => (await connectivity(device))?.online === false);
  });
});
