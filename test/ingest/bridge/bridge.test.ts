/** The bridge against a real Mosquitto: what it stores, what it acknowledges, and what it may never lose. */
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { promisify } from "node:util";
import mqtt from "mqtt";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { feedFrames, readMapping, startBridge } from "../../../src/ingest/index.js";
import type { BridgeOptions, Reading, Rejection } from "../../../src/ingest/index.js";
import { parseMapping } from "../../../src/ingest/bridge/mapping.js";
import type { HasHealth, Running } from "../../../src/platform/lifecycle.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { needPackage } from "../../support/debian.js";
import { startMosquitto } from "../../support/mosquitto.js";
import type { Mosquitto } from "../../support/mosquitto.js";
import { bundleTs } from "../../support/spawn-ts.js";
import { waitFor } from "../../support/wait-for.js";
import { gatewayUnderTest, natsUnderTest, rejectionsOf } from "../support.js";
import type { GatewayUnderTest, NatsUnderTest } from "../support.js";

const run = promisify(execFile);
const mosquittoPath = await needPackage("mosquitto", "mosquitto");
const mosquittoPub = await needPackage("mosquitto-clients", "mosquitto_pub");

describe.skipIf(mosquittoPath === undefined || mosquittoPub === undefined)("the bridge, before Mosquitto,", () => {
  let nats: NatsUnderTest;
  let gateway: GatewayUnderTest;
  let broker: Mosquitto;
  let frames: ReturnType<typeof feedFrames>;
  const stored: Reading[] = [];
  const bridges: (Running & HasHealth)[] = [];
  let owner = 0;

  beforeAll(async () => {
    nats = await natsUnderTest();
    gateway = await gatewayUnderTest(nats.nc);
    gateway.models.found("acme");
    gateway.models.put("acme", "d1");
    frames = feedFrames({ nc: nats.nc, consumer: "writer", logger: silentLogger });
    void (async () => {
      for await (const frame of frames.frames) {
        stored.push(...frame.readings);
        frame.message.ack();
      }
    })();
  });
  beforeEach(async () => {
    stored.length = 0;
    owner += 1;
    broker = await startMosquitto(mosquittoPath ?? "");
  });
  afterEach(async () => {
    await Promise.all(bridges.splice(0).map((bridge) => bridge.stop()));
    await broker.dispose();
  });
  afterAll(async () => {
    frames.stop();
    await gateway.stop();
    await nats.stop();
  });

  async function bridge(options: Partial<BridgeOptions> = {}): Promise<Running & HasHealth> {
    const { ingest, registry } = gateway;
    const started = startBridge(
      { ingest, registry, logger: silentLogger, metrics: createMetrics() },
      { url: broker.url, rules: readMapping(undefined), owner: `t${owner}`, ...options },
    );
    bridges.push(started);
    await waitFor(() => started.health()[0]?.state === "up", { what: "the bridge to be connected" });
    return started;
  }

  /** Distinct values of `n` that are stored. */
  const values = (): ReadonlySet<unknown> => new Set(stored.map(({ values: { n } }) => n));

  /** Publishes readings `n` under way one after the other, each until the broker has it. */
  async function publish(from: number, to: number): Promise<void> {
    const client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 100 });
    client.on("error", () => undefined);
    const base = Date.now() - 3_600_000;
    const all = Array.from({ length: to - from }, (_, index) =>
      client.publishAsync(
        "v1/acme/d1/telemetry",
        JSON.stringify({ ts: base + from + index, values: { n: from + index } }),
        { qos: 1 },
      ),
    );
    await Promise.all(all);
    await client.endAsync();
  }

  function withMetric(metric: string): Reading | undefined {
    return stored.find((reading) => metric in reading.values);
  }

  async function kept(device: string): Promise<Rejection> {
    return waitFor(async () => (await rejectionsOf(nats.nc, "acme", device)).at(-1));
  }

  /** How many distinct readings are stored, once there are so many. */
  async function untilStored(count: number): Promise<number> {
    await waitFor(() => values().size >= count, { what: `${count} readings to be stored` }).catch((error: unknown) => {
      throw new Error(`${values().size} of ${count} are stored`, { cause: error });
    });
    return values().size;
  }

  test.each(["311", "5"])("stores what a device says there in MQTT %s", async (version) => {
    await bridge();
    const args = ["-p", String(broker.port), "-V", version === "5" ? "mqttv5" : "mqttv311", "-q", "1"];
    await run(mosquittoPub ?? "", [...args, "-t", "v1/acme/d1/telemetry", "-m", '{"n": 1, "v": true}']);
    const reading = await waitFor(() => stored[0]);
    expect(reading).toMatchObject({ tenantId: "acme", deviceId: "d1", values: { n: 1, v: true } });
  });

  test("connects over WebSocket, too", async () => {
    await bridge({ url: broker.wsUrl });
    await publish(0, 300);
    expect(await untilStored(300)).toBe(300);
  });

  test("maps foreign topics and payloads to devices", async () => {
    gateway.models.put("acme", "hall1-press2");
    const rules = parseMapping({
      rules: [
        {
          topic: "factory/{site}/{device}/{metric}",
          tenant: "acme",
          device: "{site}-{device}",
          payload: "value",
          metric: "{metric}",
        },
        {
          topic: "zigbee/{device}",
          tenant: "acme",
          payload: "json",
          timestamp: "seen.at",
          timestampUnit: "s",
          metrics: { temperature: "data.t", open: "contact" },
        },
        { topic: "plain/{device}/#", tenant: "acme", payload: "json", rename: { hum: "humidity" } },
      ],
    });
    await bridge({ rules });
    const at = Math.floor(Date.now() / 1_000) - 60;
    const client = await mqtt.connectAsync(broker.url);
    await client.publishAsync("factory/hall1/press2/pressure", "4.25", { qos: 1 });
    await client.publishAsync("factory/hall1/press2/state", "running", { qos: 1 });
    await client.publishAsync("zigbee/d1", JSON.stringify({ seen: { at }, data: { t: 20 }, contact: false }), {
      qos: 1,
    });
    await client.publishAsync("plain/d1/a/b", JSON.stringify({ hum: 40, deep: { x: 1 } }), { qos: 1 });
    await client.endAsync();
    await waitFor(() => stored.length === 4);
    expect(withMetric("pressure")).toMatchObject({ deviceId: "hall1-press2", values: { pressure: 4.25 } });
    expect(withMetric("state")).toMatchObject({ values: { state: "running" } });
    expect(withMetric("temperature")).toMatchObject({
      timestamp: at * 1_000,
      values: { temperature: 20, open: false },
    });
    expect(withMetric("humidity")?.values).toEqual({ humidity: 40 });
  });

  test("keeps what it refuses, with what it takes to try it again", async () => {
    await bridge();
    const client = await mqtt.connectAsync(broker.url);
    await client.publishAsync("v1/acme/nobody/telemetry", '{"n":1}', { qos: 1 });
    await client.publishAsync("v1/acme/d1/telemetry", "nonsense", { qos: 1 });
    await client.publishAsync("v1/acme/no such/telemetry", '{"n":1}', { qos: 1 });
    await client.endAsync();
    const form = { as: "message", topic: "telemetry" };
    expect(await kept("nobody")).toMatchObject({ door: "bridge", code: "NOT_FOUND", payload: '{"n":1}', form });
    expect(await kept("d1")).toMatchObject({ door: "bridge", code: "MALFORMED_PAYLOAD", form });
    expect(await kept("no_such")).toMatchObject({ door: "bridge", code: "TOPIC_NOT_ALLOWED" });
  });

  test("acknowledges nothing that is not stored: with JetStream away, all stays with the broker", async () => {
    const first = await bridge();
    const pid = nats.server.pid() ?? Number.NaN;
    process.kill(pid, "SIGSTOP");
    try {
      await publish(0, 100);
      await first.stop();
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await waitFor(() => gateway.ingest.available && !gateway.ingest.saturated);
    await bridge();
    expect(await untilStored(100)).toBe(100);
  });

  test("loses nothing that the broker kept when the broker is killed", async () => {
    const first = await bridge();
    await first.stop();
    await publish(0, 500);
    await broker.save();
    await broker.kill("SIGKILL");
    const second = startBridge(
      { ingest: gateway.ingest, registry: gateway.registry, logger: silentLogger, metrics: createMetrics() },
      { url: broker.url, rules: readMapping(undefined), owner: `t${owner}` },
    );
    bridges.push(second);
    await waitFor(() => second.health()[0]?.detail?.includes("ECONNREFUSED") === true);
    expect(second.health()[0]?.state).toBe("degraded");
    await broker.start();
    expect(await untilStored(500)).toBe(500);
    expect(second.health()[0]?.state).toBe("up");
  });

  test("loses nothing that is published between the broker's restart and its own return", async () => {
    const first = await bridge();
    await first.stop();
    await broker.kill("SIGTERM");
    await broker.start();
    await publish(0, 500);
    await bridge();
    expect(await untilStored(500)).toBe(500);
  });

  test("takes a session over that was shared: a message does not come twice", async () => {
    const shared = await bridge({ clients: 2 });
    await shared.stop();
    await bridge();
    await publish(0, 100);
    expect(await untilStored(100)).toBe(100);
    await publish(100, 101);
    await untilStored(101);
    expect(stored).toHaveLength(101);
  });

  test("loses nothing when its network is cut again and again", async () => {
    const proxy = await startProxy(broker.port);
    await bridge({ url: `mqtt://127.0.0.1:${proxy.port}` });
    const publishing = publish(0, 2_000);
    for (let cut = 1; cut <= 5; cut += 1) {
      await waitFor(() => values().size >= cut * 100);
      proxy.cut();
    }
    await publishing;
    expect(await untilStored(2_000)).toBe(2_000);
    await proxy.stop();
  });

  test("loses nothing when the gateway is killed in the middle", async () => {
    const program = await bundleTs(new URL("children/bridge.ts", import.meta.url));
    const start = (): ChildProcess =>
      spawn(process.execPath, [program.path, nats.server.url, broker.url], { stdio: ["ignore", "ignore", "inherit"] });
    let child = start();
    try {
      // Its sessions are there before anything is published.
      await waitFor(async () => {
        const before = values().size;
        await publish(100_000, 100_001);
        return values().size > before || values().has(100_000);
      });
      const publishing = publish(0, 3_000);
      for (let kill = 1; kill <= 3; kill += 1) {
        await waitFor(() => values().size >= kill * 300);
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
        child = start();
      }
      await publishing;
      expect(await untilStored(3_001)).toBe(3_001);
    } finally {
      child.kill("SIGKILL");
      await program.remove();
    }
  });
});

/** A way to the broker that can be cut. */
async function startProxy(port: number): Promise<{ readonly port: number; cut(): void; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    async stop() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
