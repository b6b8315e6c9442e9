/** Every door of the running program: what is acknowledged at it is found through the API. */
import { execFile } from "node:child_process";
import { gzipSync } from "node:zlib";
import { createSocket } from "node:dgram";
import { join } from "node:path";
import { promisify } from "node:util";
import { generate } from "coap-packet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { needPackage } from "../support/debian.js";
import type { Fleet, Fleetlog } from "../support/fleetlog.js";
import { createFleet, startFleetlog } from "../support/fleetlog.js";
import { waitFor } from "../support/wait-for.js";

const run = promisify(execFile);
const curl = await needPackage("curl", "curl");
const coap = await needPackage("libcoap3-bin", "coap-client-openssl");

let fleetlog: Fleetlog;
let fleet: Fleet;

beforeAll(async () => {
  fleetlog = await startFleetlog();
  fleet = await createFleet(fleetlog, 2);
});
afterAll(() => fleetlog.dispose());

const device = (n: number): Fleet["devices"][number] => fleet.devices[n] ?? { deviceId: "", key: "" };
const ca = (): string => join(fleetlog.dataDir, "tls", "ca.pem");

async function shows(deviceId: string, metric: string): Promise<number> {
  const query = `query($id: ID!) { latestTelemetry(deviceId: $id) { metric value } }`;
  return waitFor(async () => {
    const { latestTelemetry } = await fleetlog.graphql<{
      readonly latestTelemetry: readonly { readonly metric: string; readonly value: number }[];
    }>(fleet.admin, query, { id: deviceId });
    return latestTelemetry.find((one) => one.metric === metric)?.value;
  });
}

describe("the doors of a platform that is up", () => {
  it("are named at the start and in /readyz", async () => {
    const readyz = await fetch(`${fleetlog.httpUrl}/readyz`);
    const { parts } = (await readyz.json()) as { readonly parts: readonly { readonly name: string }[] };
    const names = parts.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["mqtt", "coap", "coaps"]));
    expect(fleetlog.coapUrl).toMatch(/^coap:\/\/127\.0\.0\.1:\d+$/u);
  });

  it.skipIf(curl === undefined)("HTTPS takes a packed batch", async () => {
    const { deviceId, key } = device(0);
    const body = gzipSync(`{"ts":${Date.now()},"values":{"https":1}}\n{"ts":${Date.now()},"values":{"more":2}}`);
    const sent = run("curl", [
      ..."-sS --data-binary @- -H Content-Type:application/x-ndjson -H Content-Encoding:gzip --cacert".split(" "),
      ca(),
      "-H",
      `Authorization: Bearer ${key}`,
      `${fleetlog.httpsUrl}/v1/${fleet.tenant}/${deviceId}/telemetry`,
    ]);
    sent.child.stdin?.end(body);
    expect((await sent).stdout).toBe('{"stored":2}');
    expect(await shows(deviceId, "https")).toBe(1);
  });

  it.skipIf(coap === undefined)("CoAP over DTLS, and a configuration that is observed", async () => {
    const { deviceId, key } = device(1);
    const url = (path: string): string => `${fleetlog.coapsUrl}/v1/${fleet.tenant}/${deviceId}/${path}?key=${key}`;
    await run("coap-client-openssl", [
      ..."-B 30 -m post -t json -R".split(" "),
      ca(),
      "-e",
      '{"coaps":1}',
      url("telemetry"),
    ]);
    expect(await shows(deviceId, "coaps")).toBe(1);
    const watching = run("coap-client-openssl", [..."-B 30 -s 10 -m get -R".split(" "), ca(), url("config/desired")]);
    await waitFor(async () =>
      (await (await fetch(`${fleetlog.httpUrl}/readyz`)).text()).includes("1 sessions, 1 observers"),
    );
    const mutation = `mutation($id: ID!) { setDeviceConfiguration(input: {deviceId: $id, config: {every: 7}}) { shown } }`;
    await fleetlog.graphql(fleet.admin, mutation, { id: deviceId });
    expect((await watching).stdout).toContain('{"version":1,"config":{"every":7}}');
  });

  it("CoAP over UDP", async () => {
    const { deviceId, key } = device(1);
    const socket = createSocket("udp4");
    const answered = new Promise<Buffer>((resolve) => {
      // On a busy machine an empty acknowledgement may come first.
      socket.on("message", (answer) => {
        if (answer[1] !== 0) resolve(answer);
      });
    });
    const packet = generate({
      code: "POST",
      confirmable: true,
      messageId: 1,
      token: Buffer.from("t"),
      options: [
        ...["v1", fleet.tenant, deviceId, "telemetry"].map((part) => ({
          name: "Uri-Path" as const,
          value: Buffer.from(part),
        })),
        { name: "Uri-Query", value: Buffer.from(`key=${key}`) },
      ],
      payload: Buffer.from('{"coap":3}'),
    });
    socket.send(packet, Number(new URL(fleetlog.coapUrl).port), "127.0.0.1");
    expect((await answered)[1]).toBe(0x44);
    socket.close();
    expect(await shows(deviceId, "coap")).toBe(3);
  });
});
