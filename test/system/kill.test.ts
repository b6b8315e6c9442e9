import { setTimeout as sleep } from "node:timers/promises";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fleet, Fleetlog, ProcessName } from "../support/fleetlog.js";
import { createFleet, startFleetlog } from "../support/fleetlog.js";
import type { Load } from "../support/load.js";
import { startLoad } from "../support/load.js";
import { waitFor } from "../support/wait-for.js";

const HOUR = 3_600_000;

/** How many readings of a device InfluxDB holds from a moment on, through the API. */
async function stored(fleetlog: Fleetlog, fleet: Fleet, deviceId: string, from: number): Promise<number> {
  const { telemetry } = await fleetlog.graphql<{
    readonly telemetry: readonly { readonly points: readonly { readonly count: number }[] }[];
  }>(
    fleet.admin,
    `query($id: ID!, $from: DateTime!, $to: DateTime!) { telemetry(deviceId: $id, metrics: ["n"], from: $from, to: $to, resolution: 60) { points { count } } }`,
    { id: deviceId, from: new Date(from).toISOString(), to: new Date(from + HOUR).toISOString() },
  );
  return telemetry.flatMap(({ points }) => points).reduce((sum, { count }) => sum + count, 0);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const names: readonly ProcessName[] = [
  "gateway",
  "writer",
  "processor",
  "projector",
  "api",
  "engines",
  "nats-server",
  "influxd",
];

describe("kill -9 under load", () => {
  let fleetlog: Fleetlog;
  let fleet: Fleet;

  beforeAll(async () => {
    fleetlog = await startFleetlog();
    fleet = await createFleet(fleetlog, names.length);
  });
  afterAll(() => fleetlog.dispose());

  it.each(names)(
    "of %s loses no acknowledged reading and stores none twice",
    async (name) => {
      const device = fleet.devices[names.indexOf(name)];
      if (device === undefined) throw new Error(`no device for ${name}`);
      const firstTimestamp = Date.now() - 2 * HOUR;
      const load = startLoad({
        url: fleetlog.mqttUrl,
        username: `${fleet.tenant}/${device.deviceId}`,
        password: device.key,
        topic: `v1/${fleet.tenant}/${device.deviceId}/telemetry`,
        firstTimestamp,
      });
      await progress(load, 300);
      const before = fleetlog.pid(name);
      if (before === undefined) throw new Error(`${name} has no pid`);
      process.kill(before, "SIGKILL");
      const after = await waitFor(
        () => {
          const pid = fleetlog.pid(name);
          return pid !== undefined && pid !== before && isAlive(pid) ? pid : undefined;
        },
        { what: `${name} to be started again`, deadlineMs: 40_000 },
      );
      expect(after).not.toBe(before);
      await progress(load, 300);
      const acknowledged = await load.finish();
      // Every reading that the load began was acknowledged in the end, so the two numbers must meet, and stay.
      const count = await waitFor(
        async () => {
          const found = await stored(fleetlog, fleet, device.deviceId, firstTimestamp).catch(() => 0);
          return found >= acknowledged ? found : undefined;
        },
        { what: `${acknowledged} readings to be stored`, deadlineMs: 90_000, everyMs: 250 },
      );
      expect(count).toBe(acknowledged);
    },
    240_000,
  );

  it("loses no accepted command: what was answered is in the history, once, and shown", async () => {
    const { deviceId } = fleet.devices[0] ?? { deviceId: "" };
    const accepted: number[] = [];
    const stop = new AbortController();
    const commands = (async () => {
      for (let n = 1; !stop.signal.aborted; n += 1) {
        const mutation = `mutation($id: ID!, $n: Int!) { setDeviceConfiguration(input: {deviceId: $id, config: {n: $n}}) { shown } }`;
        const answered = await fleetlog.graphql(fleet.admin, mutation, { id: deviceId, n }).then(
          () => true,
          () => false,
        );
        if (answered) accepted.push(n);
        else await sleep(50);
      }
    })();
    await waitFor(() => accepted.length >= 20, { deadlineMs: 60_000 });
    const before = fleetlog.pid("engines");
    if (before === undefined) throw new Error("the engines have no pid");
    process.kill(before, "SIGKILL");
    await waitFor(() => fleetlog.pid("engines") !== before, { deadlineMs: 40_000 });
    const reached = accepted.length;
    await waitFor(() => accepted.length >= reached + 20, { deadlineMs: 60_000 });
    stop.abort();
    await commands;
    const kept: number[] = [];
    let after: string | null = null;
    do {
      const page: {
        readonly deviceEvents: {
          readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
          readonly edges: readonly {
            readonly node: { readonly type: string; readonly data: { readonly config?: { readonly n: number } } };
          }[];
        };
      } = await fleetlog.graphql(
        fleet.admin,
        `query($id: ID!, $after: String) { deviceEvents(deviceId: $id, first: 500, after: $after) { pageInfo { hasNextPage endCursor } edges { node { type data } } } }`,
        { id: deviceId, after },
      );
      kept.push(
        ...page.deviceEvents.edges.flatMap(({ node }) => (node.data.config === undefined ? [] : [node.data.config.n])),
      );
      after = page.deviceEvents.pageInfo.hasNextPage ? page.deviceEvents.pageInfo.endCursor : null;
    } while (after !== null);
    // A command may be stored though its answer was lost; none that was answered may be missing, and none may be there twice.
    expect(new Set(kept).size).toBe(kept.length);
    expect(accepted.filter((n) => !kept.includes(n))).toEqual([]);
  }, 240_000);
});

async function progress(load: Load, by: number): Promise<void> {
  const reached = load.acknowledged + by;
  await waitFor(() => load.acknowledged >= reached, { what: `${reached} acknowledgements`, deadlineMs: 60_000 });
}

describe("the whole platform", () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "fleetlog-system-"));
  });
  afterAll(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));

  it("leaves nothing running behind when its supervisor is killed, and finds everything again", async () => {
    const first = await startFleetlog({ dataDir });
    const fleet = await createFleet(first, 1, "acme");
    const device = fleet.devices[0] ?? { deviceId: "", key: "" };
    const firstTimestamp = Date.now() - 2 * HOUR;
    const load = startLoad({
      url: first.mqttUrl,
      username: `acme/${device.deviceId}`,
      password: device.key,
      topic: `v1/acme/${device.deviceId}/telemetry`,
      firstTimestamp,
    });
    await progress(load, 200);
    const acknowledged = await load.finish();
    const pids = names.map((name) => first.pid(name) ?? 0);
    first.process.kill("SIGKILL");
    await once(first.process, "exit");
    await waitFor(() => pids.every((pid) => !isAlive(pid)), { what: "the children to be gone" });

    const second = await startFleetlog({ dataDir });
    try {
      // What the killed writer held comes again after `ack_wait`, which begins anew with the server: longer than most waits here.
      const count = await waitFor(
        async () => {
          const found = await stored(second, fleet, device.deviceId, firstTimestamp);
          return found >= acknowledged ? found : undefined;
        },
        { what: `${acknowledged} readings to be stored`, deadlineMs: 120_000, everyMs: 250 },
      );
      expect(count).toBe(acknowledged);
      const { device: shown } = await second.graphql<{ readonly device: unknown }>(
        fleet.admin,
        `query($id: ID!) { device(id: $id) { status } }`,
        { id: device.deviceId },
      );
      expect(shown).toEqual({ status: "ACTIVE" });
    } finally {
      await second.dispose();
    }
  }, 240_000);

  it("asked to stop under load, ends with 0, in order, with nothing running, and what it acknowledged is stored", async () => {
    const first = await startFleetlog({ dataDir });
    const fleet = await createFleet(first, 1, "drained");
    const device = fleet.devices[0] ?? { deviceId: "", key: "" };
    const firstTimestamp = Date.now() - 2 * HOUR;
    const load = startLoad({
      url: first.mqttUrl,
      username: `drained/${device.deviceId}`,
      password: device.key,
      topic: `v1/drained/${device.deviceId}/telemetry`,
      firstTimestamp,
    });
    await progress(load, 500);
    const pids = names.map((name) => first.pid(name) ?? 0);
    expect(await first.stop()).toBe(0);
    expect(pids.filter((pid) => isAlive(pid))).toEqual([]);
    const stopped = first.log.flatMap(({ msg, name }) => (msg === "stopped" ? [name] : []));
    expect(stopped).toEqual(["gateway", "api", "projector", "processor", "writer", "engines", "fleetlog"]);
    await load.abandon();

    const second = await startFleetlog({ dataDir });
    try {
      const count = await waitFor(
        async () => {
          const found = await stored(second, fleet, device.deviceId, firstTimestamp);
          return found >= load.acknowledged ? found : undefined;
        },
        { what: `${load.acknowledged} readings to be stored`, deadlineMs: 120_000, everyMs: 250 },
      );
      // What was stored but could not be acknowledged any more is the device's to send again.
      expect(count).toBeLessThanOrEqual(load.begun);
    } finally {
      await second.dispose();
    }
  }, 240_000);
});
