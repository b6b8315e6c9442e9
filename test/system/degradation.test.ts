/** Each engine stands still, or is killed, under load: what goes on, what is said, and that nothing acknowledged is lost. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectEventStore } from "../../src/engines/eventstore.js";
import type { Fleet, Fleetlog } from "../support/fleetlog.js";
import { createFleet, startFleetlog } from "../support/fleetlog.js";
import type { Load } from "../support/load.js";
import { startLoad } from "../support/load.js";
import { bundleTs } from "../support/spawn-ts.js";
import type { BundledTs } from "../support/spawn-ts.js";
import { waitFor } from "../support/wait-for.js";

const HOUR = 3_600_000;
const THRESHOLD = 1_000_000;

interface Engine {
  readonly url: string;
  readonly pid: () => number;
  /** SIGKILL, and started again on the same port and files. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

let folder: string;
let program: BundledTs;
let eventstore: Engine;
let documents: Engine;
let fleetlog: Fleetlog;
let fleet: Fleet;
let device = 0;
let load: Load;
let firstTimestamp: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fleetlog-degradation-"));
  program = await bundleTs(new URL("children/engine.ts", import.meta.url));
  [eventstore, documents] = await Promise.all([startEngine("eventstore"), startEngine("documents")]);
  fleetlog = await startFleetlog({
    environment: { EVENTSTORE_URL: eventstore.url, MONGODB_URL: documents.url },
  });
  fleet = await createFleet(fleetlog, 7);
  await fleetlog.graphql(
    fleet.admin,
    `mutation($input: CreateAlertRuleInput!) { createAlertRule(input: $input) { shown } }`,
    { input: { name: "high", severity: "HIGH", condition: { metric: "level", operator: "GT", threshold: THRESHOLD } } },
  );
});
afterAll(async () => {
  await fleetlog.dispose();
  await Promise.all([eventstore.stop(), documents.stop()]);
  await program.remove();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  firstTimestamp = Date.now() - 2 * HOUR;
  const { deviceId, key } = current();
  load = startLoad({
    url: fleetlog.mqttUrl,
    username: `${fleet.tenant}/${deviceId}`,
    password: key,
    topic: `v1/${fleet.tenant}/${deviceId}/telemetry`,
    firstTimestamp,
  });
  await progress(200);
});
afterEach(async () => {
  await load.abandon();
  device += 1;
});

async function startEngine(kind: "eventstore" | "documents"): Promise<Engine> {
  let child: ChildProcess;
  const start = async (port: number): Promise<string> => {
    child = spawn(process.execPath, [program.path, kind, join(folder, kind), String(port)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [url] = (await once(createInterface(child.stdout as Readable), "line")) as [string];
    return url;
  };
  const kill = async (): Promise<void> => {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  const url = await start(0);
  return {
    url,
    pid: () => child.pid ?? Number.NaN,
    async restart() {
      await kill();
      await start(Number(/:(\d+)/u.exec(url.replace(/^\w+:/u, ""))?.[1]));
    },
    stop: kill,
  };
}

function current(): Fleet["devices"][number] {
  const one = fleet.devices[device];
  if (one === undefined) throw new Error(`there is no device ${device}`);
  return one;
}

async function progress(by: number): Promise<void> {
  const reached = load.acknowledged + by;
  await waitFor(() => load.acknowledged >= reached, { what: `${reached} acknowledgements`, deadlineMs: 90_000 });
}

interface Part {
  readonly name: string;
  readonly state: string;
  readonly detail?: string;
}

async function part(name: string): Promise<Part | undefined> {
  const response = await fetch(`${fleetlog.httpUrl}/readyz`);
  const { parts } = (await response.json()) as { readonly parts: readonly Part[] };
  return parts.find((one) => one.name === name);
}

async function isSaid(name: string, state: string): Promise<void> {
  await waitFor(async () => (await part(name))?.state === state, {
    what: `${name} to be ${state}`,
    deadlineMs: 90_000,
  });
}

/** How often each process has said so of the engine. */
function lines(engine: string, msg: string): readonly number[] {
  const byProcess = new Map<unknown, number>();
  for (const line of fleetlog.log) {
    if (line["engine"] === engine && line["msg"] === msg)
      byProcess.set(line["name"], (byProcess.get(line["name"]) ?? 0) + 1);
  }
  return [...byProcess.values()];
}

/** While it stands still; goes on however the work ends. */
async function stopped(pid: number, engine: string, work: () => Promise<void>): Promise<void> {
  const [downs, ups] = [lines(engine, DOWN), lines(engine, UP)];
  process.kill(pid, "SIGSTOP");
  try {
    await isSaid(engine, "down");
    await work();
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await isSaid(engine, "up");
  // Once for an outage in each process, not once for each try.
  expect(lines(engine, DOWN).every((count, index) => count <= (downs[index] ?? 0) + 1)).toBe(true);
  await waitFor(() => lines(engine, UP).length > 0 && sum(lines(engine, UP)) > sum(ups), {
    what: "the line of return",
  });
}

const DOWN = "the engine does not answer";
const UP = "the engine answers again";

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** All that was acknowledged, counted through the API; the load is over then. */
async function allStored(): Promise<{ readonly acknowledged: number; readonly stored: number }> {
  const acknowledged = await load.finish();
  const { deviceId: id } = current();
  const query = `query($id: ID!, $from: DateTime!, $to: DateTime!) { telemetry(deviceId: $id, metrics: ["n"], from: $from, to: $to, resolution: 60) { points { count } } }`;
  const variables = {
    id,
    from: new Date(firstTimestamp).toISOString(),
    to: new Date(firstTimestamp + HOUR).toISOString(),
  };
  const stored = await waitFor(
    async () => {
      const { telemetry } = await fleetlog
        .graphql<{ readonly telemetry: readonly { readonly points: readonly { readonly count: number }[] }[] }>(
          fleet.admin,
          query,
          variables,
        )
        .catch(() => ({ telemetry: [] }));
      const count = sum(telemetry.flatMap(({ points }) => points.map((point) => point.count)));
      return count >= acknowledged ? count : undefined;
    },
    { what: `${acknowledged} readings to be stored`, deadlineMs: 120_000, everyMs: 250 },
  );
  return { acknowledged, stored };
}

async function send(values: Readonly<Record<string, number>>): Promise<number> {
  const { deviceId, key } = current();
  const response = await fetch(`${fleetlog.httpUrl}/v1/${fleet.tenant}/${deviceId}/telemetry`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ ts: Date.now(), values }),
  });
  return response.status;
}

async function rename(): Promise<string> {
  const mutation = `mutation($id: ID!, $name: String!) { updateDevice(input: {deviceId: $id, name: $name}) { shown } }`;
  return fleetlog.graphql(fleet.admin, mutation, { id: current().deviceId, name: `renamed ${Date.now()}` }).then(
    () => "accepted",
    (error: unknown) => String(error),
  );
}

/** Alerts that the history has of the device. */
async function alertsRaised(deviceId: string): Promise<number> {
  const client = connectEventStore(eventstore.url);
  let count = 0;
  try {
    for await (const { event } of client.readAll({ maxCount: 10_000 })) {
      const data = event?.data as { readonly deviceId?: string } | undefined;
      if (event?.type === "AlertRaised" && data?.deviceId === deviceId) count += 1;
    }
  } finally {
    await client.dispose();
  }
  return count;
}

describe("while InfluxDB stands still", () => {
  it("devices are acknowledged, JetStream holds what they say, and it is caught up with", async () => {
    await stopped(fleetlog.pid("influxd") ?? Number.NaN, "influxdb", () => progress(500));
    const { acknowledged, stored } = await allStored();
    expect(stored).toBe(acknowledged);
  }, 300_000);
});

describe("while JetStream stands still", () => {
  it("nothing is acknowledged, devices are held back, and then go on", async () => {
    await stopped(fleetlog.pid("nats-server") ?? Number.NaN, "nats", async () => {
      const before = load.acknowledged;
      expect(await send({ level: 1 })).toBe(503);
      expect(load.acknowledged).toBe(before);
    });
    await progress(200);
    const { acknowledged, stored } = await allStored();
    expect(stored).toBe(acknowledged);
  }, 300_000);
});

describe("while the event store stands still", () => {
  it("telemetry flows on, commands are refused as such, and are accepted again when it goes on", async () => {
    await stopped(eventstore.pid(), "eventstore", async () => {
      await progress(500);
      expect(await rename()).toContain("UNAVAILABLE");
      expect(await send({ level: THRESHOLD + 1 })).toBe(202);
    });
    await waitFor(async () => (await rename()) === "accepted", { what: "a command to be accepted", everyMs: 250 });
    // What happened meanwhile is decided now.
    await waitFor(async () => (await alertsRaised(current().deviceId)) === 1, { what: "the alert", everyMs: 250 });
    const { acknowledged, stored } = await allStored();
    expect(stored).toBe(acknowledged);
  }, 300_000);
});

describe("while the document store stands still", () => {
  it("telemetry and alerts flow on, queries are refused as such", async () => {
    // A process that has never heard of a device cannot know whether it may speak.
    expect(await send({ level: 1 })).toBe(202);
    await stopped(documents.pid(), "mongodb", async () => {
      await progress(500);
      const { deviceId } = current();
      expect(await send({ level: THRESHOLD + 1 })).toBe(202);
      await waitFor(async () => (await alertsRaised(deviceId)) === 1, {
        what: "the alert",
        everyMs: 250,
        deadlineMs: 90_000,
      });
      const asked = fleetlog.graphql(fleet.admin, `{ devices(first: 1) { totalCount } }`);
      await expect(asked).rejects.toThrow(/UNAVAILABLE/u);
    });
    const { acknowledged, stored } = await allStored();
    expect(stored).toBe(acknowledged);
  }, 300_000);
});

describe.each([
  ["nats-server", "nats"],
  ["influxd", "influxdb"],
] as const)("when %s is killed under load", (name, engine) => {
  it("is started again, and nothing that was acknowledged is lost", async () => {
    const before = fleetlog.pid(name) ?? Number.NaN;
    process.kill(before, "SIGKILL");
    await waitFor(() => fleetlog.pid(name) !== before, { what: `${name} to be started again`, deadlineMs: 90_000 });
    await progress(300);
    // It may be back before anybody missed it; who did says so, and says that it is back.
    await waitFor(() => sum(lines(engine, UP)) === sum(lines(engine, DOWN)), { what: "the lines of return" });
    const { acknowledged, stored } = await allStored();
    expect(stored).toBe(acknowledged);
  }, 300_000);
});

describe("when the stores are killed under load", () => {
  it("telemetry flows on, and everything finds the way back", async () => {
    for (const engine of [documents, eventstore]) {
      await engine.restart();
      await progress(300);
    }
    await waitFor(async () => (await rename()) === "accepted", { what: "a command to be accepted", everyMs: 250 });
    const { acknowledged, stored } = await allStored();
    expect(stored).toBe(acknowledged);
  }, 300_000);
});
