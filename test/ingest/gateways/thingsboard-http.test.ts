import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fastify } from "fastify";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { registerDeviceRoutes } from "../../../src/ingest/index.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { needPackage } from "../../support/debian.js";
import { KEY, rejectionsOf } from "../support.js";
import { siteUnderTest } from "./river.js";
import type { Site } from "./river.js";

const run = promisify(execFile);
const curl = await needPackage("curl", "curl");

let site: Site;
let app: FastifyInstance;
let origin: string;

beforeAll(async () => {
  site = await siteUnderTest();
  const { ingest, registry } = site.under;
  app = fastify();
  registerDeviceRoutes(app, { ingest, registry, logger: silentLogger, maxPayloadBytes: 10_000 });
  origin = await app.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await app.close();
  await site.stop();
});
beforeEach(() => {
  site.readings.length = 0;
});

describe("ThingsBoard's HTTP API", () => {
  test.skipIf(curl === undefined)("curl, as its documentation has it", async () => {
    const url = `${origin}/api/v1/${KEY}/telemetry`;
    const args = ["-sS", "-w", "%{http_code}", "-X", "POST", url, "--header", "Content-Type:application/json"];
    const { stdout } = await run(curl ?? "", [...args, "--data", '{"temperature":25}']);
    expect(stdout).toBe('{"stored":1}200');
    expect(await site.valuesOf("gw1", 1)).toEqual([{ temperature: 25 }]);
  });

  test("attributes go up as a health report, and come down as the configuration", async () => {
    await site.change("gw1", { configuration: { version: 1, config: { rate: 5, mode: "a" } } });
    const url = `${origin}/api/v1/${KEY}/attributes`;
    const up = await fetch(url, { method: "POST", body: '{"firmwareVersion":"2"}' });
    expect(up.status).toBe(200);
    const down = await fetch(`${url}?clientKeys=a&sharedKeys=rate`);
    expect([down.status, await down.json()]).toEqual([200, { client: {}, shared: { rate: 5 } }]);
  });

  test("a wrong token is told nothing, a wrong payload what is wrong, and no ledger keeps a token", async () => {
    const stranger = await fetch(`${origin}/api/v1/nobody-has-this-token/telemetry`, { method: "POST", body: "{}" });
    expect(stranger.status).toBe(401);
    const wrong = await fetch(`${origin}/api/v1/${KEY}/telemetry`, { method: "POST", body: '{"a":[]}' });
    expect([wrong.status, await wrong.json()]).toMatchObject([422, { error: { code: "INVALID_VALUE" } }]);
    const large = await fetch(`${origin}/api/v1/${KEY}/telemetry`, { method: "POST", body: "x".repeat(20_000) });
    expect(large.status).toBe(413);
    const kept = await rejectionsOf(site.nats.nc, "acme", "gw1");
    expect(kept.map(({ topic }) => topic)).toEqual(["/api/v1/:token/telemetry", "/api/v1/:token/telemetry"]);
  });

  test("what is not built is said", async () => {
    const rpc = await fetch(`${origin}/api/v1/${KEY}/rpc?timeout=1`);
    expect([rpc.status, await rpc.text()]).toEqual([404, expect.stringContaining("not built yet") as unknown]);
  });
});
