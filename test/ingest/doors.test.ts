import { fastify } from "fastify";
import type { FastifyInstance } from "fastify";
import type { Msg } from "nats";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { feedFrames, registerDeviceRoutes, startNatsDoor } from "../../src/ingest/index.js";
import type { Reading, SeenMessage } from "../../src/ingest/index.js";
import type { Running } from "../../src/platform/lifecycle.js";
import { silentLogger } from "../../src/platform/logger.js";
import { subjects } from "../../src/platform/subjects.js";
import { waitFor } from "../support/wait-for.js";
import { announce, deviceDocument, gatewayUnderTest, KEY, natsUnderTest, rejectionsOf } from "./support.js";
import type { GatewayUnderTest, NatsUnderTest } from "./support.js";

let nats: NatsUnderTest;
let under: GatewayUnderTest;
let app: FastifyInstance;
let door: Running;
let origin: string;
let stopFeed: () => void;
const readings: Reading[] = [];

beforeAll(async () => {
  nats = await natsUnderTest();
  under = await gatewayUnderTest(nats.nc);
  under.models.found("acme");
  const { ingest, registry } = under;
  app = fastify();
  registerDeviceRoutes(app, { ingest, registry, logger: silentLogger, maxPayloadBytes: 10_000 });
  origin = await app.listen({ host: "127.0.0.1", port: 0 });
  door = startNatsDoor({ nc: nats.nc, ingest, registry, logger: silentLogger, maxPayloadBytes: 10_000 });
  const feed = feedFrames({ nc: nats.nc, consumer: "writer", logger: silentLogger });
  stopFeed = () => feed.stop();
  void (async () => {
    for await (const frame of feed.frames) {
      readings.push(...frame.readings);
      frame.message.ack();
    }
  })();
});
afterAll(async () => {
  stopFeed();
  await app.close();
  await door.stop();
  await under.stop();
  await nats.stop();
});
beforeEach(async () => {
  readings.length = 0;
  const document = under.models.put("acme", "d1", deviceDocument("acme", "d1"));
  announce(nats.nc, document);
  await waitFor(async () => (await under.registry.find("acme", "d1"))?.revision === document.revision);
});

function send(path: string, body: string | undefined, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${origin}/v1/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

describe("HTTP", () => {
  test("202 means stored", async () => {
    const response = await send("acme/d1/telemetry", '[{"ts":1700000000000,"values":{"a":1}},{"a":2}]', {});
    expect(response.status).toBe(422);
    const good = await send("acme/d1/telemetry", '[{"a":1},{"a":2}]');
    expect([good.status, await good.json()]).toEqual([202, { stored: 2 }]);
    await waitFor(() => readings.length === 2);
  });

  test("reports are taken", async () => {
    expect((await send("acme/d1/health", '{"battery":5}')).status).toBe(202);
    expect((await send("acme/d1/config/reported", '{"version":1,"status":"failed","error":"no"}')).status).toBe(202);
    const wrong = await send("acme/d1/config/reported", '{"version":0,"status":"perhaps"}');
    expect([wrong.status, await wrong.json()]).toMatchObject([422, { error: { code: "INVALID_VALUE" } }]);
  });

  test.each([
    ["no key", "acme/d1/telemetry", { authorization: "" }, "{}", 401, "UNAUTHENTICATED"],
    ["a wrong key", "acme/d1/telemetry", { authorization: "Bearer no" }, "{}", 401, "UNAUTHENTICATED"],
    ["an unknown device", "acme/nobody/telemetry", {}, "{}", 401, "UNAUTHENTICATED"],
    ["another tenant's device", "other/d1/telemetry", {}, "{}", 401, "UNAUTHENTICATED"],
    ["malformed JSON", "acme/d1/telemetry", {}, "{", 400, "MALFORMED_PAYLOAD"],
    ["nothing", "acme/d1/telemetry", {}, "", 400, "MALFORMED_PAYLOAD"],
    ["a wrong type", "acme/d1/telemetry", {}, '{"a":[]}', 422, "INVALID_VALUE"],
    ["too much", "acme/d1/telemetry", {}, `{"a":"${"x".repeat(20_000)}"}`, 413, "PAYLOAD_TOO_LARGE"],
  ])("%s gets one clear error", async (_what, path, headers, body, status, code) => {
    const response = await send(path, body, headers);
    expect([response.status, await response.json()]).toEqual([
      status,
      { error: { code, message: expect.stringMatching(/\w+ \w+/u) as unknown } },
    ]);
  });

  test("an unknown device and a wrong key cannot be told apart", async () => {
    const bodies = await Promise.all(
      [send("acme/nobody/telemetry", "{}"), send("acme/d1/telemetry", "{}", { authorization: "Bearer no" })].map(
        async (response) => (await response).text(),
      ),
    );
    expect(bodies[0]).toBe(bodies[1]);
  });

  test("a device that is not active is told so, with the right key only", async () => {
    announce(nats.nc, under.models.put("acme", "d1", { status: "DECOMMISSIONED" }));
    await nats.nc.flush();
    await waitFor(() => under.registry.peek("acme", "d1")?.status !== "ACTIVE");
    expect((await send("acme/d1/telemetry", '{"a":1}')).status).toBe(403);
    expect((await send("acme/d1/telemetry", '{"a":1}', { authorization: "Bearer no" })).status).toBe(401);
  });

  test("what is refused is kept", async () => {
    await send("acme/d1/telemetry", "what?");
    const kept = await rejectionsOf(nats.nc, "acme", "d1");
    expect(kept.at(-1)).toMatchObject({ door: "http", topic: "/v1/acme/d1/telemetry", payload: "what?" });
  });

  test("the configuration can be fetched", async () => {
    expect((await send("acme/d1/config/desired", undefined)).status).toBe(204);
    const configuration = { version: 2, config: { a: 1 } };
    announce(nats.nc, under.models.put("acme", "d1", { configuration }));
    await waitFor(() => under.registry.peek("acme", "d1")?.configuration.version === 2);
    expect(await (await send("acme/d1/config/desired", undefined)).json()).toEqual(configuration);
  });

  test("who is heard over HTTP is seen", async () => {
    // Not read in the callback: what throws there ends the connection's reader, and with it everything that waits for NATS.
    const rounds: Msg[] = [];
    const subscription = nats.nc.subscribe(subjects.seen, {
      callback: (error, message) => {
        if (error === null) rounds.push(message);
      },
    });
    await send("acme/d1/telemetry", '{"a":1}');
    expect(
      await waitFor(() =>
        rounds.some((round) => round.json<SeenMessage>().heard.some(([, device]) => device === "d1")),
      ),
    ).toBe(true);
    subscription.unsubscribe();
  });
});

async function ask(tenant: string, device: string, body: string): Promise<unknown> {
  return (await nats.nc.request(subjects.ingest(tenant, device), body, { timeout: 10_000 })).json();
}

describe("NATS", () => {
  test("a request is answered once the readings are stored", async () => {
    expect(await ask("acme", "d1", '[{"a":1},{"a":2}]')).toEqual({ stored: 2 });
    await waitFor(() => readings.length === 2);
  });

  test("what is refused gets its reason", async () => {
    expect(await ask("acme", "d1", '{"a":{}}')).toMatchObject({ error: { code: "INVALID_VALUE" } });
    expect(await ask("acme", "nobody", '{"a":1}')).toMatchObject({ error: { code: "NOT_FOUND" } });
    const form = { as: "message", topic: "telemetry" };
    expect((await rejectionsOf(nats.nc, "acme", "nobody")).at(-1)).toMatchObject({
      door: "nats",
      code: "NOT_FOUND",
      form,
    });
    expect(await ask("acme", "nö-id", '{"a":1}')).toMatchObject({ error: { code: "NOT_FOUND" } });
    expect((await rejectionsOf(nats.nc, "acme", "d1")).at(-1)).toMatchObject({ door: "nats", payload: '{"a":{}}' });
  });

  test("tenants that there are not share one place among the refusals", async () => {
    for (const name of ["ghost1", "ghost2"]) {
      expect(await ask(name, "d1", '{"a":1}')).toMatchObject({ error: { code: "NOT_FOUND" } });
    }
    const kept = await rejectionsOf(nats.nc, "~unknown", "~unknown");
    expect(kept.map(({ topic }) => topic)).toEqual(["fleetlog.ghost1.ingest.d1", "fleetlog.ghost2.ingest.d1"]);
    expect(await rejectionsOf(nats.nc, "ghost1", "d1")).toEqual([]);
    expect(under.ingest.usage.all().has("ghost1")).toBe(false);
    expect(under.ingest.usage.all().get("~unknown")).toMatchObject({ refusals: 2 });
  });

  test("what is larger than the doors take is refused unread, and kept", async () => {
    expect(await ask("acme", "d1", "[".repeat(4_000_000))).toMatchObject({ error: { code: "PAYLOAD_TOO_LARGE" } });
    expect((await rejectionsOf(nats.nc, "acme", "d1")).at(-1)).toMatchObject({ door: "nats", bytes: 4_000_000 });
  });

  test("a plain publish is taken, too", async () => {
    nats.nc.publish(subjects.ingest("acme", "d1"), '{"plain":true}');
    expect(await waitFor(() => readings.some(({ values }) => values["plain"] === true))).toBe(true);
  });
});

test("while the registry is away nobody is told where it stands", async () => {
  under.models.failure = new Error("connect ECONNREFUSED 10.0.0.7:27017");
  try {
    const response = await send("acme/stranger/telemetry", '{"a":1}');
    const text = await response.text();
    expect([response.status, JSON.parse(text)]).toMatchObject([503, { error: { code: "UNAVAILABLE" } }]);
    expect(text + JSON.stringify(await ask("acme", "stranger", '{"a":1}'))).not.toContain("10.0.0.7");
  } finally {
    under.models.failure = undefined;
  }
});

describe("the registry", () => {
  test("serves what it has while the document store is away, and concurrent loads share one query", async () => {
    under.models.put("acme", "shared");
    const before = under.models.queries;
    const found = await Promise.all(Array.from({ length: 20 }, () => under.registry.find("acme", "shared")));
    expect(under.models.queries - before).toBe(1);
    expect(new Set(found).size).toBe(1);
    under.models.failure = new Error("the document store is away");
    expect((await under.registry.find("acme", "shared"))?.deviceId).toBe("shared");
    await expect(under.registry.find("acme", "not-cached")).rejects.toMatchObject({ message: /away/u });
    expect(under.registry.health()[0]?.state).toBe("degraded");
    under.models.failure = undefined;
  });

  test("a device that is registered right after it was asked for is found", async () => {
    expect(await under.registry.find("acme", "newborn")).toBeUndefined();
    announce(nats.nc, under.models.put("acme", "newborn"));
    await waitFor(async () => (await under.registry.find("acme", "newborn")) !== undefined);
  });

  test("a new version of a device type is in force at once", async () => {
    under.models.define("acme", "sensor", []);
    under.models.put("acme", "typed");
    await under.registry.find("acme", "typed");
    const document = under.models.define("acme", "sensor", [{ name: "a", kind: "number" }]);
    nats.nc.publish(subjects.changed("device-type", "acme", "sensor"), JSON.stringify({ document }));
    expect(await waitFor(() => under.registry.peek("acme", "typed")?.type.metrics?.has("a"))).toBe(true);
  });
});
