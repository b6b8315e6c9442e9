import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** `npm run demo -- …` as a person runs it, on a data directory of its own. */
async function demo(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly code: number | null; readonly out: readonly string[]; readonly err: string }> {
  const child = spawn(process.execPath, ["scripts/run.mjs", "demo", "--", ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString("utf8")));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out: out.trimEnd().split("\n"), err };
}

let dataDir = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "fleetlog-demo-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

describe("npm run demo", () => {
  it("replays the recordings, loses nothing, and finds the machine's real failure", { timeout: 180_000 }, async () => {
    const { code, out, err } = await demo(["--seconds", "12", "--devices", "5"], { FLEETLOG_DATA_DIR: dataDir });
    const last = out.at(-1) ?? "";
    if (!last.startsWith("demo: ")) throw new Error(`${out.slice(-20).join("\n")}\n${err.slice(-4_000)}`);
    const account = JSON.parse(last.slice("demo: ".length)) as Readonly<Record<string, unknown>>;
    expect(account).toMatchObject({ ok: true, devices: 5, lost: 0, refused: 0, failure_found: true });
    expect(account["sent"]).toBeGreaterThan(22_695);
    expect(account["acknowledged"]).toBe(account["sent"]);
    expect(account["stored"]).toBe(account["sent"]);
    expect(account["alerts"]).toMatchObject({ missed: 0 });
    // A heating that failed, a machine that went cold: told of as they came, and what can be pasted before them.
    expect(out.some((line) => line.startsWith("! CRITICAL machine-1"))).toBe(true);
    expect(out.some((line) => line.includes("mosquitto_pub "))).toBe(true);
    expect(out.some((line) => line.startsWith("The real failure found: yes"))).toBe(true);
    expect(code).toBe(0);
  });

  it.each([
    [["--seconds", "soon"], 'not "soon"'],
    [["--devices", "51"], 'not "51"'],
    [["--speed", "9"], "--speed"],
  ])("says what is wrong with %j, and how it is used", async (args, complaint) => {
    const { code, err } = await demo(args);
    expect(code).toBe(2);
    expect(err).toContain(complaint);
    expect(err).toContain("usage: npm run demo");
  });

  it("names every wrong variable at once", async () => {
    const env = { FLEETLOG_DATA_DIR: dataDir, FLEETLOG_MQTT_PORT: "front", FLEETLOG_HTTP_PORT: "70000" };
    const { code, err } = await demo([], env);
    expect(code).toBe(2);
    expect(err).toContain("FLEETLOG_MQTT_PORT");
    expect(err).toContain("FLEETLOG_HTTP_PORT");
  });
});
