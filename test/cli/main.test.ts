import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Api } from "../graphql/api.js";
import { SECRET, startApi, subscribed } from "../graphql/api.js";
import type { BundledTs } from "../support/spawn-ts.js";
import { bundleTs } from "../support/spawn-ts.js";

let api: Api;
let program: BundledTs;

beforeAll(async () => {
  [api, program] = await Promise.all([startApi(), bundleTs("src/cli/main.ts")]);
});
afterAll(async () => {
  await api.stop();
  await program.remove();
});

function start(...args: readonly string[]) {
  const child = spawn(process.execPath, [program.path, ...args], {
    env: { PATH: process.env["PATH"], FLEETLOG_URL: api.url, FLEETLOG_TOKEN_SECRET: SECRET, FLEETLOG_TENANT: "acme" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stderr.resume();
  return child;
}

describe("the program", () => {
  it("ends with 2 on wrong usage", async () => {
    expect(await once(start("nonsense"), "exit")).toEqual([2, null]);
  });

  it("ends with 0 when it is told to stop", async () => {
    const child = start("watch", "alerts");
    await subscribed(api, 1);
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  it("ends quietly when nobody reads it any more", async () => {
    const tenant = await api.river.createTenant("acme");
    await api.river.registerDevice(tenant, "press-1");
    const child = start("events", "--device", "press-1", "--follow");
    child.stdout.destroy();
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});
