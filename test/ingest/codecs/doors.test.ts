import { encode } from "cborg";
import { fastify } from "fastify";
import type { FastifyInstance } from "fastify";
import protobuf from "protobufjs";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { registerDeviceRoutes } from "../../../src/ingest/index.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { siteUnderTest } from "../gateways/river.js";
import type { Site } from "../gateways/river.js";
import { KEY } from "../support.js";

const TS = Date.now() - 60_000;
const schema = 'syntax = "proto3"; message Reading { int64 ts = 1; double a = 2; }';
const reading = protobuf.parse(schema).root.lookupType("Reading");

const payloads = {
  json: Buffer.from(JSON.stringify({ ts: TS, values: { a: 1.5 } })),
  cbor: Buffer.from(encode({ ts: TS, values: { a: 1.5 } })),
  senml: Buffer.from(JSON.stringify([{ bt: TS / 1_000, n: "a", v: 1.5 }])),
  "senml-cbor": Buffer.from(
    encode([
      new Map<number, unknown>([
        [-3, TS / 1_000],
        [0, "a"],
        [2, 1.5],
      ]),
    ]),
  ),
  protobuf: Buffer.from(reading.encode(reading.fromObject({ ts: TS, a: 1.5 })).finish()),
  thingsboard: Buffer.from(JSON.stringify([{ ts: TS, values: { a: 1.5 } }])),
} as const;

const contentTypes = [
  ["application/json", payloads.json],
  ["application/cbor", payloads.cbor],
  ["application/senml+json", payloads.senml],
  ["application/senml+cbor", payloads["senml-cbor"]],
  ["application/x-protobuf", payloads.protobuf],
] as const;

let site: Site;
let app: FastifyInstance;
let origin: string;

beforeAll(async () => {
  site = await siteUnderTest();
  const { ingest, registry, models } = site.under;
  const codec = { format: "protobuf", protobuf: { schema, message: "Reading" } } as const;
  models.types.set("acme/meter", { ...models.define("acme", "meter", [{ name: "a", kind: "number" }]), codec });
  await site.change("m1", { deviceType: "meter" as never });
  app = fastify();
  registerDeviceRoutes(app, { ingest, registry, logger: silentLogger, maxPayloadBytes: 10_000 });
  origin = await app.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await app.close();
  await site.stop();
});
beforeEach(() => {
  site.readings.length = 0;
});

async function theReading(): Promise<unknown> {
  await site.valuesOf("m1", 1);
  const [first] = site.readings;
  return { timestamp: first?.timestamp, values: first?.values };
}

describe("one reading, whatever it is written in", () => {
  test.each(Object.entries(payloads))("over MQTT, by the topic's last level: %s", async (suffix, payload) => {
    const client = await site.under.connect({ username: "acme/m1", protocolVersion: 4 });
    await client.publishAsync(`v1/acme/m1/telemetry/${suffix}`, payload, { qos: 1 });
    expect(await theReading()).toEqual({ timestamp: TS, values: { a: 1.5 } });
  });

  test.each(contentTypes)("over MQTT 5, by its content type: %s", async (contentType, payload) => {
    const client = await site.under.connect({ username: "acme/m1", protocolVersion: 5 });
    await client.publishAsync("v1/acme/m1/telemetry", payload, { qos: 1, properties: { contentType } });
    expect(await theReading()).toEqual({ timestamp: TS, values: { a: 1.5 } });
  });

  test.each(contentTypes)("over HTTP, by its content type: %s", async (contentType, payload) => {
    const response = await fetch(`${origin}/v1/acme/m1/telemetry`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": contentType },
      body: new Uint8Array(payload),
    });
    expect([response.status, await response.json()]).toEqual([202, { stored: 1 }]);
    expect(await theReading()).toEqual({ timestamp: TS, values: { a: 1.5 } });
  });

  test("without a word, as the device type has it", async () => {
    const client = await site.under.connect({ username: "acme/m1", protocolVersion: 4 });
    await client.publishAsync("v1/acme/m1/telemetry", payloads.protobuf, { qos: 1 });
    expect(await theReading()).toEqual({ timestamp: TS, values: { a: 1.5 } });
  });

  test("a form that nobody reads is refused by name", async () => {
    const response = await fetch(`${origin}/v1/acme/m1/telemetry`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/xml" },
      body: "<a>1</a>",
    });
    expect([response.status, await response.text()]).toEqual([
      415,
      expect.stringMatching(/UNSUPPORTED_FORMAT.*application\/cbor/u) as unknown,
    ]);
  });
});
