import { once } from "node:events";
import { createConnection } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../support/wait-for.js";
import { natsUnderTest } from "../support.js";
import type { NatsUnderTest } from "../support.js";
import { overTcp, overTls } from "./raw-client.js";
import { startTransports } from "./transports.js";
import type { Transports } from "./transports.js";

let nats: NatsUnderTest;
let under: Transports;

beforeAll(async () => {
  nats = await natsUnderTest();
  under = await startTransports(nats.nc, { connectTimeoutMs: 5_000, maxConnections: 200 });
  under.models.put("acme", "d1");
});
afterAll(async () => {
  await under.stop();
  await nats.stop();
});

test.each([3, 4, 5] as const)("version %s: the same door behind TLS", async (version) => {
  const client = await overTls(under.tlsPort, version, under.ca);
  await client.connect();
  client.publish("v1/acme/d1/telemetry", '{"n":1}', { qos: 2, messageId: 1 });
  expect((await client.next("pubrec")).messageId).toBe(1);
  client.send({ cmd: "disconnect" });
  await client.ended();
});

test("who does not trust the authority notices", async () => {
  await expect(overTls(under.tlsPort, 5, "")).rejects.toThrow(/self.signed|unable to verify|issuer/u);
});

test("nothing older than TLS 1.2", async () => {
  const socket = connectTls({
    host: "127.0.0.1",
    port: under.tlsPort,
    ca: under.ca,
    maxVersion: "TLSv1.1",
    minVersion: "TLSv1",
  });
  const [error] = (await once(socket, "error")) as [Error];
  expect(error.message).toMatch(/protocol|version|no protocols/iu);
});

test("a packet byte by byte, and one larger than a record", async () => {
  const client = await overTls(under.tlsPort, 4, under.ca);
  await client.connect();
  const values = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`m${n}`, "x".repeat(900)]));
  client.publish("v1/acme/d1/telemetry", JSON.stringify(values), { qos: 1, messageId: 1 });
  await client.next("puback");
  for (const byte of [0xc0, 0]) client.write(Buffer.from([byte]));
  expect(await client.next("pingresp")).toMatchObject({ cmd: "pingresp" });
  client.destroy();
});

test("handshakes that never end, and strangers' bytes, are sent away and disturb nobody", async () => {
  const witness = await overTls(under.tlsPort, 5, under.ca);
  await witness.connect({ clientId: "witness", keepalive: 0 });
  const sockets = Array.from({ length: 150 }, (_, n) => {
    const socket = createConnection({ host: "127.0.0.1", port: under.tlsPort });
    socket.on("error", () => {});
    if (n % 3 === 1) socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1]));
    if (n % 3 === 2) socket.write("GET / HTTP/1.1\r\n\r\n");
    return socket.resume();
  });
  witness.publish("v1/acme/d1/telemetry", '{"n":1}', { qos: 1, messageId: 1 });
  await witness.next("puback");
  await waitFor(() => sockets.every(({ destroyed }) => destroyed), { what: "the end of all half-open handshakes" });
  // And a plain client at the TLS port, a TLS client at the plain one.
  const plain = await overTcp(under.tlsPort, 5);
  plain.send({ cmd: "pingreq" });
  await plain.ended();
  await expect(overTls(under.gateway.port, 5, under.ca)).rejects.toThrow(
    /wrong version|disconnected|ECONNRESET|packet length/iu,
  );
  witness.publish("v1/acme/d1/telemetry", '{"n":2}', { qos: 1, messageId: 2 });
  await witness.next("puback");
  witness.destroy();
});
