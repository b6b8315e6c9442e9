import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { waitFor } from "../../support/wait-for.js";
import { readSparkplugPayload, sparkplugPayload } from "../codecs/sparkplug-schema.js";
import { rejectionsOf } from "../support.js";
import { heardBy, siteUnderTest } from "./river.js";
import type { Heard, Site } from "./river.js";

const INT32 = 3;
const UINT64 = 8;
const DOUBLE = 10;
const BOOLEAN = 11;
const STRING = 12;

let site: Site;
let node: MqttClient;
let heard: Heard[];
let seq: number;

beforeAll(async () => {
  site = await siteUnderTest();
});
afterAll(() => site.stop());
beforeEach(async () => {
  site.readings.length = 0;
  site.presences.length = 0;
  seq = -1;
  // As section 5.4 has an edge node log in: with its death as its will, and subscribed to its commands.
  node = await site.under.connect({
    username: "acme/gw1",
    protocolVersion: 5,
    will: {
      topic: "spBv1.0/Plant/NDEATH/Edge 1",
      payload: sparkplugPayload({
        timestamp: Date.now(),
        metrics: [{ name: "bdSeq", datatype: UINT64, long_value: 0 }],
      }),
      qos: 1,
      retain: false,
    },
  });
  heard = heardBy(node);
  await node.subscribeAsync(["spBv1.0/Plant/NCMD/Edge 1", "spBv1.0/Plant/DCMD/Edge 1/#"], { qos: 1 });
});

interface Metric {
  readonly name?: string;
  readonly alias?: number;
  readonly datatype?: number;
  readonly [field: string]: unknown;
}

function say(
  type: string,
  device: string | undefined,
  metrics: readonly Metric[],
  more: object = {},
): Promise<unknown> {
  seq = (seq + 1) % 256;
  const topic = `spBv1.0/Plant/${type}/Edge 1${device === undefined ? "" : `/${device}`}`;
  return node.publishAsync(topic, sparkplugPayload({ timestamp: Date.now(), seq, metrics, ...more }), { qos: 1 });
}

function born(): Promise<unknown> {
  return say("NBIRTH", undefined, [
    { name: "bdSeq", datatype: UINT64, long_value: 0 },
    { name: "Node Control/Rebirth", datatype: BOOLEAN, boolean_value: false },
    { name: "Supply/Voltage", alias: 1, datatype: DOUBLE, double_value: 24 },
  ]);
}

function pumpBorn(): Promise<unknown> {
  return say("DBIRTH", "Pump 1", [
    { name: "Speed", alias: 10, datatype: INT32, int_value: 0 },
    { name: "Running", alias: 11, datatype: BOOLEAN, boolean_value: false },
    { name: "Mode", alias: 12, datatype: STRING, string_value: "auto" },
  ]);
}

function rebirthsAsked(): readonly unknown[] {
  return heard
    .filter(({ topic }) => topic === "spBv1.0/Plant/NCMD/Edge 1")
    .map(({ payload }) => readSparkplugPayload(payload));
}

describe("a Sparkplug edge node", () => {
  test("is born with its devices, then sends by alias what has changed", async () => {
    await born();
    await pumpBorn();
    await say("NDATA", undefined, [{ alias: 1, double_value: 23.5 }]);
    await say("DDATA", "Pump 1", [
      { alias: 10, int_value: 0xffffffff },
      { alias: 11, boolean_value: true },
    ]);
    expect(await site.valuesOf("gw1", 2)).toEqual([{ "Supply.Voltage": 24 }, { "Supply.Voltage": 23.5 }]);
    expect(await site.valuesOf("pump1", 2)).toEqual([
      { Speed: 0, Running: false, Mode: "auto" },
      { Speed: -1, Running: true },
    ]);
    expect(rebirthsAsked()).toEqual([]);
  });

  test("sends what it kept while it was away with the times of then; null is no value", async () => {
    await born();
    await pumpBorn();
    const then = Date.now() - 3_600_000;
    await say("DDATA", "Pump 1", [
      { alias: 10, timestamp: then, is_historical: true, int_value: 5 },
      { alias: 10, timestamp: then + 1_000, is_historical: true, int_value: 6 },
      { alias: 11, is_null: true },
    ]);
    await site.valuesOf("pump1", 3);
    expect(site.readings.slice(-2)).toMatchObject([
      { timestamp: then, values: { Speed: 5 } },
      { timestamp: then + 1_000, values: { Speed: 6 } },
    ]);
  });

  test("is asked for a rebirth when a number is missing; what came is stored", async () => {
    await born();
    await pumpBorn();
    seq += 3;
    await say("DDATA", "Pump 1", [{ alias: 10, int_value: 7 }]);
    await waitFor(() => rebirthsAsked().length === 1);
    expect(rebirthsAsked()).toMatchObject([
      { metrics: [{ name: "Node Control/Rebirth", datatype: BOOLEAN, boolean_value: true }] },
    ]);
    expect((await site.valuesOf("pump1", 2)).at(-1)).toEqual({ Speed: 7 });
    // It is born again, counts from there, and nobody asks any more.
    seq = -1;
    await born();
    await pumpBorn();
    await say("DDATA", "Pump 1", [{ alias: 10, int_value: 8 }]);
    expect((await site.valuesOf("pump1", 4)).at(-1)).toEqual({ Speed: 8 });
    expect(rebirthsAsked()).toHaveLength(1);
  });

  test("counts to 255 and from 0 again", async () => {
    await born();
    for (let count = 0; count < 300; count += 1) await say("NDATA", undefined, [{ alias: 1, double_value: count }]);
    await site.valuesOf("gw1", 301);
    expect(rebirthsAsked()).toEqual([]);
  });

  test("is asked for a birth when it begins without one, and what cannot be understood is refused", async () => {
    await expect(say("NDATA", undefined, [{ alias: 1, double_value: 1 }])).rejects.toThrow("error");
    await waitFor(() => rebirthsAsked().length === 1);
    const kept = await rejectionsOf(site.nats.nc, "acme", "gw1");
    expect(kept.at(-1)).toMatchObject({
      reason: expect.stringMatching(/^metrics\[0\]: nothing was born yet/u) as unknown,
    });
  });

  test("is asked for a birth when an alias is not known", async () => {
    await born();
    await pumpBorn();
    await expect(say("DDATA", "Pump 1", [{ alias: 99, int_value: 1 }])).rejects.toThrow("error");
    await waitFor(() => rebirthsAsked().length === 1);
    const kept = await rejectionsOf(site.nats.nc, "acme", "pump1");
    expect(kept.at(-1)).toMatchObject({ reason: expect.stringContaining("its birth does not name it") as unknown });
  });

  test("its devices are online from birth to death, and die with it", async () => {
    const states = (device: string): readonly boolean[] =>
      site.presences.filter((presence) => presence.device === device).map(({ online }) => online);
    await born();
    await pumpBorn();
    await say("DBIRTH", "Pump 2", [{ name: "Speed", alias: 20, datatype: INT32, int_value: 0 }]);
    await say("DDEATH", "Pump 1", []);
    await waitFor(() => states("pump1").length === 2);
    expect([states("pump1"), states("pump2")]).toEqual([[true, false], [true]]);
    node.stream.destroy();
    await waitFor(() => states("pump2").length === 2);
    expect(site.presences.findLast(({ device }) => device === "pump2")).toMatchObject({
      online: false,
      reason: "connection-lost",
    });
  });

  test("its own death ends its devices, too; that of an earlier birth does not", async () => {
    await born();
    await pumpBorn();
    const earlier = sparkplugPayload({ metrics: [{ name: "bdSeq", long_value: 7 }] });
    await node.publishAsync("spBv1.0/Plant/NDEATH/Edge 1", earlier, { qos: 1 });
    await say("DDATA", "Pump 1", [{ alias: 10, int_value: 1 }]);
    await node.publishAsync(
      "spBv1.0/Plant/NDEATH/Edge 1",
      sparkplugPayload({ metrics: [{ name: "bdSeq", long_value: 0 }] }),
      { qos: 1 },
    );
    await waitFor(() => site.presences.some(({ device, online }) => device === "pump1" && !online));
    await expect(say("DDATA", "Pump 1", [{ alias: 10, int_value: 1 }])).rejects.toThrow("error");
  });

  test("a device that is not its own is refused, and hurts no other", async () => {
    await born();
    await expect(say("DBIRTH", "Stranger", [{ name: "a", alias: 5, datatype: INT32, int_value: 1 }])).rejects.toThrow(
      "error",
    );
    await pumpBorn();
    expect(await site.valuesOf("pump1", 1)).toEqual([{ Speed: 0, Running: false, Mode: "auto" }]);
    expect(rebirthsAsked()).toEqual([]);
  });

  test("a connection is one edge node", async () => {
    await born();
    const other = node.publishAsync("spBv1.0/Plant/NBIRTH/Edge 2", sparkplugPayload({ seq: 0, metrics: [] }), {
      qos: 1,
    });
    await expect(other).rejects.toThrow("error");
    const kept = await rejectionsOf(site.nats.nc, "acme", "gw1");
    expect(kept.at(-1)).toMatchObject({
      code: "FORBIDDEN",
      reason: expect.stringContaining('is the edge node "Plant/Edge 1"') as unknown,
    });
  });

  test("what the device type does not have is named once, at the birth, and left out", async () => {
    site.under.models.define("acme", "pump", [{ name: "Speed", kind: "number" }]);
    await site.change("pump2", { deviceType: "pump" as never });
    await born();
    await say("DBIRTH", "Pump 2", [
      { name: "Speed", alias: 30, datatype: INT32, int_value: 1 },
      { name: "Properties/Maker", alias: 31, datatype: STRING, string_value: "x" },
    ]);
    await say("DDATA", "Pump 2", [
      { alias: 30, int_value: 2 },
      { alias: 31, string_value: "y" },
    ]);
    expect(await site.valuesOf("pump2", 2)).toEqual([{ Speed: 1 }, { Speed: 2 }]);
    const kept = await rejectionsOf(site.nats.nc, "acme", "pump2");
    expect(kept).toMatchObject([
      {
        code: "UNKNOWN_METRIC",
        reason: expect.stringContaining(
          'left out, because they are no single values or the device type pump does not have them: "Properties/Maker"',
        ) as unknown,
      },
    ]);
  });

  test("hears that the host application is online when it waits for one", async () => {
    await node.subscribeAsync("spBv1.0/STATE/fleetlog", { qos: 1 });
    await waitFor(() => heard.some(({ topic }) => topic === "spBv1.0/STATE/fleetlog"));
    expect(JSON.parse(heard.at(-1)?.payload.toString() ?? "")).toEqual({
      online: true,
      timestamp: expect.any(Number) as unknown,
    });
  });
});
