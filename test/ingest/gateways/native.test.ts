import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { MqttClient } from "mqtt";
import { waitFor } from "../../support/wait-for.js";
import { KEY, rejectionsOf } from "../support.js";
import { deviceId } from "../../../src/domain/ids.js";
import { heardBy, siteUnderTest } from "./river.js";
import type { Site } from "./river.js";

let site: Site;
let gateway: MqttClient;

beforeAll(async () => {
  site = await siteUnderTest();
});
afterAll(() => site.stop());
beforeEach(async () => {
  await site.change("pump1", { gateway: deviceId("gw1"), status: "ACTIVE" });
  site.readings.length = 0;
  site.presences.length = 0;
  gateway = await site.under.connect({ username: "acme/gw1", protocolVersion: 5 });
});

function publish(topic: string, content: unknown): Promise<unknown> {
  return gateway.publishAsync(topic, JSON.stringify(content), { qos: 1 });
}

describe("a gateway speaks for its devices", () => {
  test("on their own topics, in their names", async () => {
    await publish("v1/acme/pump1/telemetry", { rpm: 1 });
    await publish("v1/acme/gw1/telemetry", { load: 2 });
    await publish("v1/acme/pump2/health", { battery: 5 });
    expect(await site.valuesOf("pump1", 1)).toEqual([{ rpm: 1 }]);
    expect(await site.valuesOf("gw1", 1)).toEqual([{ load: 2 }]);
  });

  test("and keeps the order of each, also while one is looked up for the first time", async () => {
    site.under.models.put("acme", "late", { gateway: deviceId("gw1"), credentials: [] });
    const count = 200;
    const published = Array.from({ length: count }, (_, n) => publish("v1/acme/late/telemetry", { n }));
    await Promise.all(published);
    expect(await site.valuesOf("late", count)).toEqual(Array.from({ length: count }, (_, n) => ({ n })));
  });

  test("replays what it kept, with the times of then", async () => {
    const start = Date.now() - 3_600_000;
    const kept = Array.from({ length: 50 }, (_, n) => ({ ts: start - n * 1_000, values: { n } }));
    await publish("v1/acme/pump1/telemetry", kept);
    await site.valuesOf("pump1", 50);
    expect(site.readings.map(({ timestamp }) => timestamp)).toEqual(kept.map(({ ts }) => ts));
  });

  test.each([
    ["one that is not its own", "stranger", /"stranger" is no device that gw1 speaks for/u],
    ["one that is not there", "nobody", /"nobody" is no device that gw1 speaks for/u],
  ])("but not for %s, and is told so; its own stay untouched", async (_what, device, reason) => {
    await expect(publish(`v1/acme/${device}/telemetry`, { a: 1 })).rejects.toThrow("error");
    await publish("v1/acme/pump1/telemetry", { a: 2 });
    expect(await site.valuesOf("pump1", 1)).toEqual([{ a: 2 }]);
    const [last] = (await rejectionsOf(site.nats.nc, "acme", "gw1")).slice(-1);
    expect(last).toMatchObject({ code: "FORBIDDEN", reason: expect.stringMatching(reason) as unknown });
    expect(site.readings.some((reading) => reading.deviceId === device)).toBe(false);
  });

  test("never for another tenant's device, though it names the same gateway", async () => {
    await expect(publish("v1/other/pump1/telemetry", { a: 1 })).rejects.toThrow("error");
    const [last] = (await rejectionsOf(site.nats.nc, "acme", "gw1")).slice(-1);
    expect(last).toMatchObject({ code: "TOPIC_NOT_ALLOWED" });
    await publish("v1/acme/gw1/telemetry", { end: 1 });
    await site.valuesOf("gw1", 1);
    expect(site.readings.map(({ tenantId }) => tenantId)).toEqual(["acme"]);
  });

  test("no longer once the assignment is taken away, or the device is not active; 3.1.1 stays connected", async () => {
    const old = await site.under.connect({ username: "acme/gw1", protocolVersion: 4, clientId: "old" });
    await old.publishAsync("v1/acme/pump1/telemetry", '{"n":1}', { qos: 1 });
    await site.change("pump1", { gateway: deviceId("gw2") });
    await old.publishAsync("v1/acme/pump1/telemetry", '{"n":2}', { qos: 1 });
    await site.change("pump1", { gateway: deviceId("gw1"), status: "INACTIVE" });
    await old.publishAsync("v1/acme/pump1/telemetry", '{"n":3}', { qos: 1 });
    await site.change("pump1", { status: "ACTIVE" });
    await old.publishAsync("v1/acme/pump1/telemetry", '{"n":4}', { qos: 1 });
    expect(await site.valuesOf("pump1", 2)).toEqual([{ n: 1 }, { n: 4 }]);
    const reasons = (await rejectionsOf(site.nats.nc, "acme", "gw1")).slice(-2).map(({ reason }) => reason);
    expect(reasons).toEqual([
      expect.stringContaining("no device that gw1 speaks for"),
      expect.stringContaining("pump1 is INACTIVE"),
    ]);
  });

  test("is not acknowledged for one that cannot be looked up: it comes again when the registry is back", async () => {
    site.under.models.put("acme", "new1", { gateway: deviceId("gw1"), credentials: [] });
    site.under.models.failure = new Error("the document store is away");
    const closed = new Promise((resolve) => {
      gateway.once("close", () => resolve("closed"));
    });
    let isAcknowledged = false;
    gateway.publish("v1/acme/new1/telemetry", '{"n":1}', { qos: 1 }, (error) => {
      isAcknowledged = error === undefined || error === null;
    });
    expect(await closed).toBe("closed");
    expect(isAcknowledged).toBe(false);
    site.under.models.failure = undefined;
    const again = await site.under.connect({ username: "acme/gw1", protocolVersion: 5 });
    await again.publishAsync("v1/acme/new1/telemetry", '{"n":1}', { qos: 1 });
    expect(await site.valuesOf("new1", 1)).toEqual([{ n: 1 }]);
  });

  test("an ordinary device does not speak for others", async () => {
    await site.change("d9", {});
    const device = await site.under.connect({ username: "acme/d9", password: KEY, protocolVersion: 5 });
    await expect(device.publishAsync("v1/acme/pump1/telemetry", '{"a":1}', { qos: 1 })).rejects.toThrow("error");
    await expect(device.subscribeAsync("v1/acme/pump1/config/desired")).rejects.toThrow("error");
  });
});

describe("its devices' presence", () => {
  test("begins with their first message and ends with the gateway's connection", async () => {
    await publish("v1/acme/pump1/telemetry", { a: 1 });
    await publish("v1/acme/pump1/telemetry", { a: 2 });
    await waitFor(() => site.presences.some(({ device }) => device === "pump1"));
    await gateway.endAsync();
    const ended = await waitFor(() => site.presences.find(({ device, online }) => device === "pump1" && !online));
    const all = site.presences.filter(({ device }) => device === "pump1");
    expect(all.map(({ online }) => online)).toEqual([true, false]);
    expect(ended).toMatchObject({ reason: "disconnected", session: all[0]?.session });
  });

  test("is lost when the gateway's connection is", async () => {
    await publish("v1/acme/pump1/telemetry", { a: 1 });
    gateway.stream.destroy();
    const ended = await waitFor(() => site.presences.find(({ device, online }) => device === "pump1" && !online));
    expect(ended.reason).toBe("connection-lost");
  });

  test("ends when it is taken from its gateway", async () => {
    await publish("v1/acme/pump1/telemetry", { a: 1 });
    await site.change("pump1", { gateway: deviceId("gw2") });
    // The gateway's own device is looked at again every few seconds.
    await waitFor(() => site.presences.find(({ device, online }) => device === "pump1" && !online));
    expect(gateway.connected).toBe(true);
  });
});

describe("its devices' configuration", () => {
  test("reaches them through their gateway, when it subscribes and when it changes", async () => {
    await site.change("pump1", { configuration: { version: 1, config: { rate: 5 } } });
    const heard = heardBy(gateway);
    await gateway.subscribeAsync("v1/acme/pump1/config/desired", { qos: 1 });
    await waitFor(() => heard.length === 1);
    await site.change("pump1", { configuration: { version: 2, config: { rate: 6 } } });
    await waitFor(() => heard.length === 2);
    expect(heard.map(({ topic, payload }) => [topic, JSON.parse(payload.toString()) as unknown])).toEqual([
      ["v1/acme/pump1/config/desired", { version: 1, config: { rate: 5 } }],
      ["v1/acme/pump1/config/desired", { version: 2, config: { rate: 6 } }],
    ]);
    await publish("v1/acme/pump1/config/reported", { version: 2, status: "applied" });
  });

  test("of all that are assigned to it, by one subscription; of nobody else", async () => {
    await site.change("pump1", { configuration: { version: 7, config: { a: 1 } } });
    await site.change("pump2", { configuration: { version: 8, config: { b: 1 } } });
    await site.change("stranger", { configuration: { version: 9, config: { c: 1 } } });
    const heard = heardBy(gateway);
    await gateway.subscribeAsync("v1/acme/+/config/desired", { qos: 1 });
    await waitFor(() => heard.length === 2);
    await site.change("stranger", { configuration: { version: 10, config: { c: 1 } } });
    await site.change("pump2", { configuration: { version: 11, config: { b: 2 } } });
    await waitFor(() => heard.some(({ payload }) => payload.includes('"version":11')));
    const topics = new Set(heard.map(({ topic }) => topic));
    expect([...topics].toSorted()).toEqual(["v1/acme/pump1/config/desired", "v1/acme/pump2/config/desired"]);
    // A device of no gateway hears of itself alone.
    await site.change("d9", {});
    const device = await site.under.connect({ username: "acme/d9", protocolVersion: 5 });
    const heardByDevice = heardBy(device);
    await device.subscribeAsync("v1/acme/+/config/desired", { qos: 1 });
    await site.change("d9", { configuration: { version: 1, config: {} } });
    await waitFor(() => heardByDevice.length > 0);
    expect(heardByDevice.map(({ topic }) => topic)).toEqual(["v1/acme/d9/config/desired"]);
  });

  test("of very many, though only some may be under way at one time", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `child-${String(index).padStart(3, "0")}`);
    const gateway2 = deviceId("gw2");
    site.under.models.put("acme", "gw2");
    for (const name of names) {
      site.under.models.put("acme", name, { gateway: gateway2, configuration: { version: 1, config: { name } } });
    }
    const client = await site.under.connect({ username: "acme/gw2", protocolVersion: 4 });
    const heard = heardBy(client);
    await client.subscribeAsync("v1/acme/+/config/desired", { qos: 1 });
    await waitFor(() => heard.length === names.length);
    expect(new Set(heard.map(({ topic }) => topic.split("/")[2]))).toEqual(new Set(names));
  });

  test("of a stranger is refused when it subscribes", async () => {
    await expect(gateway.subscribeAsync("v1/acme/stranger/config/desired")).rejects.toThrow("error");
    await expect(gateway.subscribeAsync("v1/other/pump1/config/desired")).rejects.toThrow("error");
  });
});
