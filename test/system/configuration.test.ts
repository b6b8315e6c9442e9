import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const main = resolve(fileURLToPath(import.meta.url), "../../../dist/src/main.js");

function start(environment: Readonly<Record<string, string>>, args: readonly string[] = []) {
  return new Promise<{ readonly code: unknown; readonly said: string }>((done) => {
    execFile(
      process.execPath,
      [main, ...args],
      { env: { PATH: process.env["PATH"], ...environment }, timeout: 30_000 },
      (error, _stdout, stderr) => done({ code: error === null ? 0 : error.code, said: stderr }),
    );
  });
}

describe("a wrong configuration", () => {
  it("ends with exit code 2 and every wrong key named at once", async () => {
    const { code, said } = await start({
      FLEETLOG_HTTP_PORT: "eighty",
      NATS_URL: "http://nats",
      FLEETLOG_MQTT_PROT: "1883",
      FLEETLOG_TOKEN_SECRET: "short",
    });
    expect(code).toBe(2);
    for (const key of ["FLEETLOG_HTTP_PORT", "NATS_URL", "FLEETLOG_MQTT_PROT", "FLEETLOG_TOKEN_SECRET"])
      expect(said).toContain(key);
    expect(said).not.toContain("short");
  });

  it("is told before anything starts: roles without the engines that they need", async () => {
    const { code, said } = await start({}, ["--roles", "api,gateway"]);
    expect(code).toBe(2);
    for (const key of ["EVENTSTORE_URL", "MONGODB_URL", "NATS_URL", "INFLUX_URL"]) expect(said).toContain(key);
  });

  it("is a mistake in the bridge's mapping, too: every one is named, before anything starts", async () => {
    const dir = await mkdtemp(join(tmpdir(), "fleetlog-mapping-"));
    const file = join(dir, "mapping.json");
    const rules = [{ topic: "factory/{device}" }, { topic: "{tenant}/{device}", payload: "value" }];
    await writeFile(file, JSON.stringify({ rules }));
    const environment = { FLEETLOG_DATA_DIR: join(dir, "data"), MQTT_BROKER_URL: "mqtt://127.0.0.1:1" };
    const { code, said } = await start({ ...environment, FLEETLOG_BRIDGE_MAPPING: file });
    expect(code).toBe(2);
    for (const word of ["FLEETLOG_BRIDGE_MAPPING", file, "rules.0.tenant", "rules.1.metric"])
      expect(said).toContain(word);
    expect(existsSync(join(dir, "data"))).toBe(false);
    await rm(file);
    const missing = await start({ ...environment, FLEETLOG_BRIDGE_MAPPING: file });
    expect(missing.code).toBe(2);
    expect(missing.said).toContain(`FLEETLOG_BRIDGE_MAPPING: ${file} cannot be read`);
    await rm(dir, { recursive: true });
  });

  it("is an unknown option, too", async () => {
    const { code, said } = await start({}, ["--rolls", "api"]);
    expect(code).toBe(2);
    expect(said).toContain("usage:");
  });
});
