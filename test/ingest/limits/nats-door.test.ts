/** Limits at the door that can hold nobody back; the others' tests have theirs. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createIngest, createRegistry, startNatsDoor } from "../../../src/ingest/index.js";
import type { Ingest } from "../../../src/ingest/index.js";
import { Lifecycle } from "../../../src/platform/lifecycle.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { subjects } from "../../../src/platform/subjects.js";
import { waitFor } from "../../support/wait-for.js";
import { DAY, natsUnderTest, ReadModels, rejectionsOf } from "../support.js";
import type { NatsUnderTest } from "../support.js";

const lifecycle = new Lifecycle(silentLogger);
const models = new ReadModels();
let nats: NatsUnderTest;
let ingest: Ingest;

beforeAll(async () => {
  nats = await natsUnderTest();
  const { nc } = nats;
  const logger = silentLogger;
  const { findDevice, findDeviceType, findTenant, findDeviceByKey, findDeviceNamed } = models;
  const finders = { findDevice, findDeviceType, findTenant, findDeviceByKey, findDeviceNamed };
  const registry = lifecycle.add("registry", createRegistry({ nc, logger, ...finders }));
  // So slow that no bucket fills while the tests run, on a machine of any speed.
  const limits = { device: { messages: { perSecond: 0.001, burst: 3 } } };
  const options = { nc, logger, metrics: createMetrics(), maxReadingAgeMs: 366 * DAY, limits };
  ingest = lifecycle.add("ingest", createIngest(options));
  lifecycle.add("door", startNatsDoor({ nc, ingest, registry, logger, maxPayloadBytes: 10_000 }));
  await nc.flush();
}, 60_000);

afterAll(async () => {
  await lifecycle.stop();
  await nats.stop();
});

async function ask(device: string): Promise<unknown> {
  return (await nats.nc.request(subjects.ingest("acme", device), '{"temperature":1}', { timeout: 20_000 })).json();
}

it("answers LIMIT_EXCEEDED with the limit's name and how long to wait, and lets others through", async () => {
  models.put("acme", "d1");
  models.put("acme", "d2");
  for (let time = 0; time < 3; time += 1) expect(await ask("d1")).toEqual({ stored: 1 });
  expect(await ask("d1")).toEqual({
    error: {
      code: "LIMIT_EXCEEDED",
      message: expect.stringContaining("the limit of device d1 is reached"),
      retryAfterMs: 60_000,
    },
  });
  expect(await ask("d2")).toEqual({ stored: 1 });
  expect(ingest.usage.all().get("acme")).toMatchObject({ messages: 4, readings: 4, waits: 1, refusals: 0 });
});

it("keeps with the refusals what nobody asked an answer for", async () => {
  models.put("acme", "d3");
  for (let time = 0; time < 4; time += 1) nats.nc.publish(subjects.ingest("acme", "d3"), `{"temperature":${time}}`);
  await nats.nc.flush();
  const kept = await waitFor(async () => {
    const found = await rejectionsOf(nats.nc, "acme", "d3");
    return found.length > 0 ? found : undefined;
  });
  expect(kept).toHaveLength(1);
  expect(kept[0]).toMatchObject({ door: "nats", code: "LIMIT_EXCEEDED", payload: '{"temperature":3}' });
});
