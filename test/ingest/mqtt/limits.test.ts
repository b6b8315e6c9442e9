/** Who sends more than its limit is slowed down by TCP's own means, or told, and nobody else notices. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createIngest, createRegistry, startMqttGateway } from "../../../src/ingest/index.js";
import type { IngestOptions } from "../../../src/ingest/index.js";
import { Lifecycle } from "../../../src/platform/lifecycle.js";
import { silentLogger as logger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { waitFor } from "../../support/wait-for.js";
import { DAY, natsUnderTest, ReadModels, rejectionsOf } from "../support.js";
import type { NatsUnderTest } from "../support.js";
import { overTcp } from "./raw-client.js";

const TELEMETRY = "v1/acme/d1/telemetry";
let nats: NatsUnderTest;

beforeAll(async () => {
  nats = await natsUnderTest();
});
afterAll(() => nats.stop());

async function gatewayWith(
  limits: NonNullable<IngestOptions["limits"]>,
): Promise<{ port: number; stop(): Promise<void> }> {
  const { nc } = nats;
  const models = new ReadModels();
  for (const device of ["d1", "d2"]) models.put("acme", device);
  const lifecycle = new Lifecycle(logger);
  const { findDevice, findDeviceType, findTenant, findDeviceByKey, findDeviceNamed } = models;
  const finders = { findDevice, findDeviceType, findTenant, findDeviceByKey, findDeviceNamed };
  const registry = lifecycle.add("registry", createRegistry({ nc, logger, ...finders }));
  const metrics = createMetrics();
  const ingest = lifecycle.add("ingest", createIngest({ nc, logger, metrics, maxReadingAgeMs: DAY, limits }));
  const options = { host: "127.0.0.1", port: 0, maxPayloadBytes: 1_024, maxConnections: 100, drainMs: 100 };
  const gateway = lifecycle.add("mqtt", await startMqttGateway({ nc, ingest, registry, logger }, options));
  return { port: gateway.port, stop: () => lifecycle.stop() };
}

test.each([4, 5] as const)(
  "version %s: what is too much waits and is stored, while others are served",
  async (version) => {
    const gateway = await gatewayWith({ device: { messages: { perSecond: 20, burst: 5 } } });
    const fast = await overTcp(gateway.port, version);
    await fast.connect();
    const slow = await overTcp(gateway.port, version);
    await slow.connect({ username: "acme/d2" });
    const begun = Date.now();
    for (let id = 1; id <= 15; id += 1) fast.publish(TELEMETRY, `{"n":${id}}`, { qos: 1, messageId: id });
    // What fits is acknowledged, and not only when all of it fits.
    await waitFor(() => fast.packets.length >= 5);
    slow.publish("v1/acme/d2/telemetry", '{"n":1}', { qos: 1, messageId: 1 });
    await slow.next("puback");
    const ids: (number | undefined)[] = [];
    for (let n = 0; n < 15; n += 1) ids.push((await fast.next("puback")).messageId);
    expect(ids).toEqual(Array.from({ length: 15 }, (_, n) => n + 1));
    // Ten of them had to wait for a twentieth of a second each.
    expect(Date.now() - begun).toBeGreaterThan(400);
    for (const client of [fast, slow]) client.destroy();
    await gateway.stop();
  },
);

test("who would wait too long, and can be told, is told which limit it was; the refusal is kept", async () => {
  const gateway = await gatewayWith({ device: { messages: { perSecond: 0.01, burst: 1 } } });
  const client = await overTcp(gateway.port, 5);
  await client.connect();
  client.publish(TELEMETRY, '{"n":1}', { qos: 1, messageId: 1 });
  expect((await client.next("puback")).reasonCode).toBe(0);
  for (const qos of [1, 2] as const) {
    client.publish(TELEMETRY, '{"n":2}', { qos, messageId: 2 });
    const answer = await client.next(qos === 1 ? "puback" : "pubrec");
    expect(answer.reasonCode).toBe(0x97);
    expect(answer.properties?.reasonString).toContain("limit of device d1");
  }
  expect((await rejectionsOf(nats.nc, "acme", "d1")).at(-1)).toMatchObject({ code: "LIMIT_EXCEEDED" });
  // It is still there, and may speak of other things.
  client.send({ cmd: "pingreq" });
  await client.next("pingresp");
  client.destroy();
  await gateway.stop();
});

test.each([4, 5] as const)(
  "version %s: too many connections are refused at log-in, and a place that is left is free",
  async (version) => {
    const gateway = await gatewayWith({ device: { connections: 1 } });
    const first = await overTcp(gateway.port, version);
    await first.connect({ clientId: "first" });
    const second = await overTcp(gateway.port, version);
    const refused = await second.connect({ clientId: "second" });
    expect(refused.reasonCode ?? refused.returnCode).toBe(version === 5 ? 0x97 : 3);
    first.send({ cmd: "disconnect" });
    await first.ended();
    const third = await overTcp(gateway.port, version);
    const taken = await third.connect({ clientId: "third" });
    expect(taken.reasonCode ?? taken.returnCode).toBe(0);
    // A client that comes back takes its own place over.
    const again = await overTcp(gateway.port, version);
    const over = await again.connect({ clientId: "third" });
    expect(over.reasonCode ?? over.returnCode).toBe(0);
    again.destroy();
    await gateway.stop();
  },
);
