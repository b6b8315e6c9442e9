import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sparkplugPayload } from "../codecs/sparkplug-schema.js";
import { siteUnderTest } from "./river.js";
import type { Site } from "./river.js";

let site: Site;

beforeAll(async () => {
  site = await siteUnderTest();
});
afterAll(() => site.stop());

const topics = [
  "v1/devices/me/telemetry",
  "v1/devices/me/attributes",
  "v1/devices/me/attributes/request/1",
  "v1/gateway/connect",
  "v1/gateway/disconnect",
  "v1/gateway/telemetry",
  "v1/gateway/attributes",
  "v1/gateway/attributes/request",
  "v1/acme/pump1/telemetry/cbor",
  "v1/acme/pump1/telemetry/senml-cbor",
  "v1/acme/pump1/telemetry/protobuf",
  "v1/acme/pump1/config/reported",
  "spBv1.0/G/NBIRTH/N",
  "spBv1.0/G/DBIRTH/N/Pump 1",
  "spBv1.0/G/DDATA/N/Pump 1",
  "spBv1.0/G/NDEATH/N",
];

const payloads = [
  "",
  "null",
  "[]",
  "{}",
  '{"__proto__":{"device":"Pump 1"}}',
  '{"device":{"toString":1}}',
  '{"device":"__proto__","keys":[null,{}],"id":{}}',
  '{"Pump 1":null,"__proto__":[1],"constructor":{},"toString":[[]]}',
  '{"Pump 1":[{"ts":{},"values":{"a":{}}}]}',
  '{"clientKeys":5,"sharedKeys":["a"]}',
  "[".repeat(100_000),
  sparkplugPayload({
    seq: "18446744073709551615",
    metrics: [{ name: "", alias: "18446744073709551615", long_value: "18446744073709551615" }],
  }),
  sparkplugPayload({
    timestamp: "18446744073709551615",
    metrics: [
      { name: "__proto__", datatype: 4_000_000_000, int_value: 1 },
      { name: "__proto__", datatype: 3, int_value: 1 },
    ],
  }),
  ...Array.from({ length: 20 }, (_, index) => randomBytes(index * 7)),
];

test("whatever a gateway says on any topic, it is answered, and what is good is stored afterwards", async () => {
  const client = await site.under.connect({ username: "acme/gw1", protocolVersion: 5 });
  let closed = false;
  client.on("close", () => {
    closed = true;
  });
  await client.subscribeAsync(["v1/devices/me/attributes/response/+", "v1/gateway/attributes/response"], { qos: 1 });
  const answers = topics.flatMap((topic) =>
    payloads.map(async (payload) => {
      // A refusal is an answer, too.
      await client.publishAsync(topic, payload, { qos: 1 }).catch(() => undefined);
    }),
  );
  await Promise.all(answers);
  expect(closed).toBe(false);
  await client.publishAsync("v1/gateway/telemetry", '{"Pump 1":[{"last":1}]}', { qos: 1 });
  await site.valuesOf("pump1", 1);
  const values = (): readonly object[] => site.readings.map((reading) => reading.values);
  await expect.poll(() => values().some((value) => "last" in value), { timeout: 60_000 }).toBe(true);
  expect(values().filter((value) => Object.getPrototypeOf(value) !== Object.prototype)).toEqual([]);
});
