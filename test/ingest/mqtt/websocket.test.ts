import { once } from "node:events";
import { request } from "node:http";
import { generate } from "mqtt-packet";
import { WebSocket } from "ws";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../support/wait-for.js";
import { natsUnderTest } from "../support.js";
import type { NatsUnderTest } from "../support.js";
import { connectPacket, overWebSocket } from "./raw-client.js";
import { startTransports } from "./transports.js";
import type { Transports } from "./transports.js";

let nats: NatsUnderTest;
let under: Transports;

beforeAll(async () => {
  nats = await natsUnderTest();
  under = await startTransports(nats.nc, { connectTimeoutMs: 5_000 });
  under.models.put("acme", "d1");
});
afterAll(async () => {
  await under.stop();
  await nats.stop();
});

async function socket(protocols: string[] = ["mqtt"], path = "/mqtt"): Promise<WebSocket> {
  const opened = new WebSocket(`ws://127.0.0.1:${under.wsPort}${path}`, protocols);
  await once(opened, "open");
  return opened;
}

test.each([
  [3, "mqttv3.1"],
  [4, "mqtt"],
  [5, "mqtt"],
] as const)("version %s: the same door behind a WebSocket", async (version, protocol) => {
  const client = await overWebSocket(under.urls.ws, version, protocol);
  await client.connect();
  client.publish("v1/acme/d1/telemetry", '{"n":1}', { qos: 2, messageId: 1 });
  expect((await client.next("pubrec")).messageId).toBe(1);
  client.send({ cmd: "disconnect" });
  await client.ended();
});

const publish = (id: number): Buffer =>
  generate({
    cmd: "publish",
    topic: "v1/acme/d1/telemetry",
    payload: `{"n":${id}}`,
    qos: 1,
    messageId: id,
    dup: false,
    retain: false,
  });

test("packets span frames, and frames hold several packets", async () => {
  const raw = await socket();
  const received: Buffer[] = [];
  raw.on("message", (data: Buffer) => received.push(data));
  const bytes = Buffer.concat([generate(connectPacket(4)), publish(1), publish(2), publish(3)]);
  for (const byte of bytes.subarray(0, 40)) raw.send(Buffer.from([byte]));
  raw.send(bytes.subarray(40));
  await waitFor(() => Buffer.concat(received).length >= 4 + 3 * 4);
  expect(Buffer.concat(received).toString("hex")).toBe("20020000400200014002000240020003");
  raw.terminate();
});

test("text frames end the connection", async () => {
  const raw = await socket();
  raw.send(generate(connectPacket(4)).toString("latin1"));
  await once(raw, "close");
  expect(raw.readyState).toBe(WebSocket.CLOSED);
});

test("a frame larger than the largest packet is refused before it is whole", async () => {
  const raw = await socket();
  raw.on("error", () => {});
  raw.send(Buffer.alloc(300_000));
  const [code] = (await once(raw, "close")) as [number];
  expect([1006, 1009]).toContain(code);
});

test.each([
  ["without the subprotocol", [], "/mqtt", "400"],
  ["with another one", ["graphql-transport-ws"], "/mqtt", "400"],
  ["at another path", ["mqtt"], "/elsewhere", "404"],
])("%s nothing is opened", async (_what, protocols, path, status) => {
  await expect(socket(protocols, path)).rejects.toThrow(status);
});

test("an upgrade that never says anything, and one that never logs in, are sent away", async () => {
  const silent = await socket();
  await once(silent, "close");
  const half = request({
    port: under.wsPort,
    host: "127.0.0.1",
    path: "/mqtt",
    headers: { connection: "Upgrade", upgrade: "websocket" },
  });
  half.on("error", () => {});
  half.end();
  const [response] = (await once(half, "response")) as [{ statusCode: number }];
  expect(response.statusCode).toBe(400);
});

test("one client has one connection, whichever way it comes in", async () => {
  const first = await overWebSocket(under.urls.ws, 5);
  await first.connect({ clientId: "steady" });
  const second = await overWebSocket(under.urls.ws, 5);
  await second.connect({ clientId: "steady" });
  expect((await first.ended())?.reasonCode).toBe(0x8e);
  second.destroy();
});
