/** What goes over the wire to the broker, packet by packet. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readMapping, startBridge } from "../../../src/ingest/index.js";
import type { HasHealth, Running } from "../../../src/platform/lifecycle.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { waitFor } from "../../support/wait-for.js";
import { framesWaiting, gatewayUnderTest, natsUnderTest, rejectionsOf } from "../support.js";
import type { GatewayUnderTest, NatsUnderTest } from "../support.js";
import { startFakeBroker } from "./fake-broker.js";
import type { FakeBroker } from "./fake-broker.js";

let nats: NatsUnderTest;
let gateway: GatewayUnderTest;
let broker: FakeBroker | undefined;
let bridge: (Running & HasHealth) | undefined;

beforeAll(async () => {
  nats = await natsUnderTest();
  gateway = await gatewayUnderTest(nats.nc);
  gateway.models.found("acme");
  gateway.models.put("acme", "d1");
});
afterEach(async () => {
  await bridge?.stop();
  await broker?.stop();
});
afterAll(async () => {
  await gateway.stop();
  await nats.stop();
});

async function start(options: Parameters<typeof startFakeBroker>[0], clients = 1): Promise<FakeBroker> {
  const started = await startFakeBroker(options);
  broker = started;
  const { ingest, registry } = gateway;
  const running = startBridge(
    { ingest, registry, logger: silentLogger, metrics: createMetrics() },
    { url: started.url, rules: readMapping(undefined), owner: "test", clients },
  );
  bridge = running;
  await waitFor(() => running.health()[0]?.state === "up", { what: "the bridge to be connected" });
  return started;
}

describe("the bridge", () => {
  test("acknowledges in the order of the messages, each once it is stored, many under way at once", async () => {
    const fake = await start({ versions: [5] });
    await waitFor(async () => (await framesWaiting(nats.nc)) === 0);
    const pid = nats.server.pid() ?? Number.NaN;
    process.kill(pid, "SIGSTOP");
    for (let id = 1; id <= 100; id += 1) fake.publish(id, "v1/acme/d1/telemetry", `{"n":${id}}`);
    // All of them are with the bridge, and in frames that JetStream has not answered.
    await waitFor(() => gateway.ingest.health().some(({ lag }) => (lag ?? 0) > 0));
    expect(fake.acknowledged).toEqual([]);
    process.kill(pid, "SIGCONT");
    await waitFor(() => fake.acknowledged.length === 100);
    expect(fake.acknowledged).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  test("acknowledges a refused message, once the refusal is stored, and goes on", async () => {
    const fake = await start({ versions: [5] });
    fake.publish(1, "v1/acme/d1/telemetry", "nonsense");
    fake.publish(2, "somewhere/else", "1");
    fake.publish(3, "v1/acme/d1/telemetry", '{"n":3}');
    await waitFor(() => fake.acknowledged.length === 3);
    expect(fake.acknowledged).toEqual([1, 2, 3]);
  });

  test("keeps what claims a tenant that there is not under one name, with what was claimed", async () => {
    const fake = await start({ versions: [5] });
    for (let id = 1; id <= 3; id += 1) fake.publish(id, `v1/ghost${id}/d${id}/telemetry`, '{"n":1}');
    fake.publish(4, "v1/no such/d 1/telemetry", '{"n":1}');
    await waitFor(() => fake.acknowledged.length === 4);
    const kept = await rejectionsOf(nats.nc, "~unknown", "~unknown");
    // Different devices: their order among each other is nobody's.
    expect(new Set(kept.map(({ code, topic }) => `${code} ${topic}`))).toEqual(
      new Set([
        "NOT_FOUND v1/ghost1/d1/telemetry",
        "NOT_FOUND v1/ghost2/d2/telemetry",
        "NOT_FOUND v1/ghost3/d3/telemetry",
        "TOPIC_NOT_ALLOWED v1/no such/d 1/telemetry",
      ]),
    );
    expect(kept.some(({ reason }) => reason.includes("no device d1 in tenant ghost1"))).toBe(true);
    expect(await rejectionsOf(nats.nc, "ghost1", "d1")).toEqual([]);
    expect([...gateway.ingest.usage.all().keys()].filter((tenant) => tenant.startsWith("ghost"))).toEqual([]);
  });

  test("asks for persistent sessions and shared subscriptions, over several connections", async () => {
    const fake = await start({ versions: [5] }, 3);
    await waitFor(() => fake.subscribes.length === 3);
    expect(fake.connects.map(({ clientId }) => clientId).toSorted()).toEqual([
      "fleetlog-test-0",
      "fleetlog-test-1",
      "fleetlog-test-2",
    ]);
    for (const { clean, properties } of fake.connects) {
      expect(clean).toBe(false);
      expect(properties?.sessionExpiryInterval).toBeGreaterThan(3_600);
    }
    const topics = fake.subscribes.flatMap(({ subscriptions }) => subscriptions.map(({ topic }) => topic));
    expect(new Set(topics)).toEqual(
      new Set(["telemetry", "health", "config/reported"].map((topic) => `$share/fleetlog/v1/+/+/${topic}`)),
    );
  });

  test.each([
    ["that speaks MQTT 3.1.1 only", { versions: [4] }],
    ["that shares no subscriptions", { versions: [5], shares: false }],
  ])("makes one connection to a broker %s", async (_which, options) => {
    const fake = await start(options, 4);
    fake.publish(1, "v1/acme/d1/telemetry", '{"n":1}');
    await waitFor(() => fake.acknowledged.length === 1);
    expect(fake.subscribes).toHaveLength(1);
    expect(fake.subscribes[0]?.subscriptions[0]?.topic).toBe("v1/+/+/telemetry");
    expect(new Set(fake.connects.map(({ clientId }) => clientId))).toEqual(new Set(["fleetlog-test-0"]));
  });
});
