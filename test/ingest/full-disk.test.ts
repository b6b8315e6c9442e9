/** The disk under JetStream is full: devices are held back with a clear word, and go on once there is room. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startNats } from "../../src/embedded/processes/index.js";
import type { LocalServer } from "../../src/embedded/processes/index.js";
import { connectNats } from "../../src/engines/nats.js";
import type { NatsConnection } from "../../src/engines/nats.js";
import { decodeFrame, ensureIngestStreams } from "../../src/ingest/index.js";
import type { Outcome } from "../../src/ingest/index.js";
import { silentLogger } from "../../src/platform/logger.js";
import { streams } from "../../src/platform/subjects.js";
import { waitFor } from "../support/wait-for.js";
import { framesWaiting, gatewayUnderTest, temporaryDir } from "./support.js";
import type { GatewayUnderTest, Temporary } from "./support.js";

const disk = await smallDisk();

/** 48 MiB of memory as a disk of its own; undefined where we may not mount. */
async function smallDisk(): Promise<Temporary | undefined> {
  const { dir, remove } = await temporaryDir();
  const path = join(dir, "disk");
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", path], { stdio: "ignore" });
  } catch {
    process.stderr.write("skipped: only root may mount the small disk that these tests fill\n");
    await remove();
    return undefined;
  }
  return {
    dir: path,
    async remove() {
      execFileSync("umount", ["-l", path]);
      await remove();
    },
  };
}

describe.skipIf(disk === undefined)("a full disk under JetStream", () => {
  let server: LocalServer;
  let nc: NatsConnection;
  let gateway: GatewayUnderTest;

  beforeAll(async () => {
    server = await startNats({
      dataDir: join(disk?.dir ?? "", "nats"),
      logger: silentLogger,
      maxFileStoreBytes: 1024 ** 4,
    });
    nc = await connectNats(server.url, "test");
    await ensureIngestStreams(nc);
    gateway = await gatewayUnderTest(nc);
    gateway.models.put("acme", "d1");
  });
  afterAll(async () => {
    await gateway.stop();
    await nc.close();
    await server.stop();
    await disk?.remove();
  });

  async function send(n: number): Promise<Outcome> {
    const access = await gateway.registry.find("acme", "d1");
    if (access === undefined) throw new Error("there is no such device");
    const payload = Buffer.from(
      JSON.stringify({ ts: Date.now() - 1_000_000 + n, values: { n, text: "x".repeat(900) } }),
    );
    const source = { door: "mqtt", topic: "v1/acme/d1/telemetry" } as const;
    return new Promise((done) => gateway.ingest.accept("telemetry", access, payload, source, done));
  }

  async function readingsWaiting(): Promise<number> {
    const frames = await framesWaiting(nc);
    const consumer = await nc.jetstream().consumers.get(streams.frames, "writer");
    const messages = await consumer.fetch({ max_messages: frames, expires: 5_000 });
    let readings = 0;
    for await (const message of messages) readings += decodeFrame(message.data).length;
    return readings;
  }

  test("holds devices back, says why, and lets them go on; what was acknowledged is there", async () => {
    const filler = join(disk?.dir ?? "", "filler");
    const file = openSync(filler, "w");
    const block = Buffer.alloc(1024 ** 2);
    for (let mib = 0; mib < 36; mib += 1) writeSync(file, block);
    closeSync(file);
    let stored = 0;
    let n = 0;
    const refused = await waitFor(
      async () => {
        const outcomes = await Promise.all(Array.from({ length: 200 }, () => send((n += 1))));
        stored += outcomes.filter(({ kind }) => kind === "stored").length;
        return outcomes.find(({ kind }) => kind === "failed");
      },
      { what: "the disk to be full" },
    );
    expect(refused).toMatchObject({ kind: "failed", error: { code: "UNAVAILABLE" } });
    const [health] = gateway.ingest.health();
    expect(health?.state).toBe("degraded");
    rmSync(filler);
    await waitFor(async () => (await send((n += 1))).kind === "stored", { what: "it to go on", everyMs: 200 });
    expect(stored).toBeGreaterThan(0);
    // Each acknowledged reading is in one of the frames that wait.
    expect(await readingsWaiting()).toBeGreaterThan(stored);
  });
});
