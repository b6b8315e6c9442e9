/** The command line against the running platform: what was refused is found, mended, and taken in as if it had just come then. */
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import mqtt from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fleet, Fleetlog } from "../support/fleetlog.js";
import { createFleet, startFleetlog } from "../support/fleetlog.js";
import { waitFor } from "../support/wait-for.js";

const cli = resolve(fileURLToPath(import.meta.url), "../../../dist/src/cli/main.js");

interface Said {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

interface Row {
  readonly rejectionId: string;
  readonly at: string;
  readonly deviceId: string;
  readonly door: string;
  readonly code: string;
  readonly replayable: boolean;
  readonly replayed: { readonly outcome: string } | null;
}

let fleetlog: Fleetlog;
let fleet: Fleet;
let others: Fleet;

beforeAll(async () => {
  fleetlog = await startFleetlog();
  fleet = await createFleet(fleetlog, 2);
  others = await createFleet(fleetlog, 1);
  await defineType(["temperature"]);
});
afterAll(() => fleetlog?.dispose());

function defineType(metrics: readonly string[]): Promise<unknown> {
  return fleetlog.graphql(
    fleet.admin,
    `mutation ($type: DefineDeviceTypeInput!) { defineDeviceType(input: $type) { shown } }`,
    {
      type: { deviceType: "press", metrics: metrics.map((name) => ({ name })) },
    },
  );
}

function rejections(token: string, ...args: readonly string[]): Promise<Said> {
  return new Promise((done) => {
    const env = { PATH: process.env["PATH"], FLEETLOG_URL: fleetlog.httpUrl, FLEETLOG_TOKEN: token };
    execFile(process.execPath, [cli, "rejections", ...args], { env }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

async function json<T>(token: string, ...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await rejections(token, ...args, "--json");
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

async function kept(count: number, ...filter: readonly string[]): Promise<readonly Row[]> {
  return waitFor(
    async () => {
      const rows = await json<readonly Row[]>(fleet.admin, "list", ...filter);
      return rows.length >= count ? rows : undefined;
    },
    { what: `${count} rejections to be listed`, everyMs: 250 },
  );
}

function device(n: number) {
  const found = fleet.devices[n];
  if (found === undefined) throw new Error(`there is no device ${n}`);
  return found;
}

async function post(n: number, body: string, type = "application/json"): Promise<number> {
  const { deviceId, key } = device(n);
  const { status } = await fetch(`${fleetlog.httpUrl}/v1/${fleet.tenant}/${deviceId}/telemetry`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": type },
    body,
  });
  return status;
}

interface Latest {
  readonly metric: string;
  readonly value: unknown;
  readonly timestamp: string;
}

async function latest(deviceId: string, metric: string): Promise<Latest> {
  const query = `query($id: ID!) { latestTelemetry(deviceId: $id) { metric value timestamp } }`;
  return waitFor(
    async () => {
      const { latestTelemetry } = await fleetlog.graphql<{ readonly latestTelemetry: readonly Latest[] }>(
        fleet.admin,
        query,
        { id: deviceId },
      );
      return latestTelemetry.find((one) => one.metric === metric);
    },
    { what: `${metric} of ${deviceId} to be readable` },
  );
}

describe("a message that was refused", () => {
  it("is listed and counted, and after the type is mended replayed as of its arrival, once", async () => {
    expect(await post(0, '{"humidity": 40}')).toBe(422);
    const [row] = await kept(1, "--code", "UNKNOWN_METRIC", "--device", "device-0");
    expect(row).toMatchObject({ deviceId: "device-0", door: "http", replayable: true, replayed: null });
    await waitFor(async () => {
      const counts = await json<readonly { key: string; count: number }[]>(fleet.admin, "count", "--by", "code");
      return counts.some(({ key, count }) => key === "UNKNOWN_METRIC" && count === 1);
    });
    const id = row?.rejectionId ?? "";
    expect((await rejections(fleet.admin, "replay", id)).stdout).toContain(`${id} REFUSED`);
    await defineType(["temperature", "humidity"]);
    const stored = await waitFor(async () => {
      const { stdout } = await rejections(fleet.admin, "replay", "--code", "UNKNOWN_METRIC");
      // The gateway hears of the type a moment later.
      return stdout.includes("STORED 1") ? stdout : undefined;
    });
    expect(stored).not.toContain("REFUSED");
    expect(await latest("device-0", "humidity")).toMatchObject({ value: 40, timestamp: row?.at });
    expect((await rejections(fleet.admin, "replay", id)).stdout).toContain("ALREADY_STORED 1");
    expect((await kept(1, "--device", "device-0"))[0]).toMatchObject({ replayed: { outcome: "STORED" } });
  });

  it("in a form that nobody reads is taken in by the codec that its type gets", async () => {
    expect(await post(0, '{"temperature": 18}', "application/vnd.acme")).toBe(415);
    await kept(1, "--code", "UNSUPPORTED_FORMAT");
    const { stdout } = await rejections(fleet.admin, "replay", "--code", "UNSUPPORTED_FORMAT");
    expect(stdout).toContain("STORED 1");
    expect(await latest("device-0", "temperature")).toMatchObject({ value: 18 });
  });

  it("of a gateway, for a device that is not its own yet, is taken in as that device's once it is", async () => {
    const { deviceId, key } = device(1);
    const client = await mqtt.connectAsync(fleetlog.mqttUrl, {
      username: `${fleet.tenant}/${deviceId}`,
      password: key,
      protocolVersion: 4,
    });
    await client.publishAsync(`v1/${fleet.tenant}/late-1/telemetry`, '{"temperature": 7}', { qos: 1 });
    const shares = { "Pump 7": [{ ts: Date.now() - 1_000, values: { temperature: 8 } }] };
    await client.publishAsync("v1/gateway/telemetry", JSON.stringify(shares), { qos: 1 });
    await client.endAsync();
    const rows = await kept(2, "--device", deviceId);
    expect(rows.map(({ code, replayable }) => [code, replayable])).toEqual([
      ["FORBIDDEN", true],
      ["FORBIDDEN", true],
    ]);
    expect((await rejections(fleet.admin, "replay", "--device", deviceId)).stdout).toContain("REFUSED 2");
    for (const [id, name] of [
      ["late-1", "late"],
      ["late-2", "Pump 7"],
    ] as const) {
      await fleetlog.graphql(
        fleet.admin,
        `mutation($id: ID!, $name: String!, $gateway: ID!) {
          registerDevice(input: {deviceId: $id, name: $name, deviceType: "press"}) { shown }
          activateDevice(input: {deviceId: $id}) { shown }
          assignGateway(input: {deviceId: $id, gatewayId: $gateway}) { shown }
        }`,
        { id, name, gateway: deviceId },
      );
    }
    const ids = rows.map(({ rejectionId }) => rejectionId);
    await waitFor(async () => {
      const { stdout } = await rejections(fleet.admin, "replay", ...ids);
      return !stdout.includes("REFUSED");
    });
    expect(await latest("late-1", "temperature")).toMatchObject({ value: 7 });
    expect(await latest("late-2", "temperature")).toMatchObject({ value: 8 });
  });
});

describe("nobody", () => {
  it("of another tenant sees or replays it, whatever ids are known", async () => {
    expect(await post(0, '{"pressure": 4}')).toBe(422);
    const [row] = await kept(1, "--code", "UNKNOWN_METRIC", "--limit", "1");
    const id = row?.rejectionId ?? "";
    expect(await json(others.admin, "list")).toEqual([]);
    expect(await json(others.admin, "count")).toEqual([]);
    expect((await rejections(others.admin, "replay", id)).stdout).toContain(`${id} NOT_FOUND`);
    const borrowed = await rejections(others.admin, "replay", id, "--tenant", fleet.tenant);
    expect(borrowed.code).not.toBe(0);
    expect(borrowed.stderr).toContain("FORBIDDEN");
    expect((await kept(1, "--code", "UNKNOWN_METRIC", "--limit", "1"))[0]).toEqual(row);
  });

  it("who may only look replays it", async () => {
    const viewer = await fleetlog.token(fleet.tenant, "VIEWER");
    expect((await json<readonly Row[]>(viewer, "list")).length).toBeGreaterThan(0);
    const { code, stderr } = await rejections(viewer, "replay", "--all");
    expect(code).not.toBe(0);
    expect(stderr).toContain("FORBIDDEN");
  });
});
