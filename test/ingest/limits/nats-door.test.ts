/** Limits at the door that can hold nobody back; the others' tests have theirs. */
import { createInbox } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { tenantId } from "../../../src/domain/ids.js";
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

it("answers every request of a flood, and says stored of none that is not", async () => {
  const COUNT = 15_000;
  const about = { _id: "open", tenantId: tenantId("open"), name: "open", revision: 1, createdAt: "", updatedAt: "" };
  const limits = { device: { messages: { perSecond: 1_000_000, burst: 1_000_000 } } };
  models.tenants.set("open", { ...about, limits });
  models.put("open", "d1");
  const answers = new Map<string, number>();
  let answered = 0;
  let stored = 0;
  const inbox = createInbox();
  nats.nc.subscribe(inbox, {
    callback(_error, message) {
      const answer = message.json<{ readonly stored?: number; readonly error?: { readonly code: string } }>();
      answered += 1;
      stored += answer.stored ?? 0;
      const kind = answer.error?.code ?? "stored";
      answers.set(kind, (answers.get(kind) ?? 0) + 1);
    },
  });
  for (let n = 0; n < COUNT; n += 1) {
    nats.nc.publish(subjects.ingest("open", "d1"), `{"temperature":${n}}`, { reply: inbox });
  }
  await nats.nc.flush();
  await waitFor(() => answered === COUNT, { what: `${COUNT} answers` });
  expect(stored).toBeGreaterThan(0);
  expect(ingest.usage.all().get("open")?.readings).toBe(stored);
  const known = new Set(["stored", "LIMIT_EXCEEDED", "UNAVAILABLE"]);
  expect([...answers.keys()].filter((kind) => !known.has(kind))).toEqual([]);
});
