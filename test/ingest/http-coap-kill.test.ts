/** `kill -9` of the process behind the HTTP and CoAP doors, again and again under load: what was acknowledged is stored. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { feedFrames } from "../../src/ingest/index.js";
import { silentLogger } from "../../src/platform/logger.js";
import { bundleTs } from "../support/spawn-ts.js";
import type { BundledTs } from "../support/spawn-ts.js";
import { waitFor } from "../support/wait-for.js";
import { newMessageId, rawClient, request } from "./coap-client.js";
import { KEY, natsUnderTest } from "./support.js";
import type { NatsUnderTest } from "./support.js";

interface Ports {
  readonly http: number;
  readonly coap: number;
}

const KILLS = 3;
const BATCH = 5;
const firstTimestamp = Date.now() - 3_600_000;

let nats: NatsUnderTest;
let program: BundledTs;
let child: ChildProcess;

beforeAll(async () => {
  nats = await natsUnderTest();
  program = await bundleTs("test/ingest/children/doors.ts");
});
afterAll(async () => {
  child.kill("SIGKILL");
  await program.remove();
  await nats.stop();
});

async function startDoors(ports: Ports): Promise<Ports> {
  const args = [program.path, nats.server.url, String(ports.http), String(ports.coap)];
  child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const { stdout } = child;
  if (stdout === null) throw new Error("the child has no output");
  const [line] = (await once(stdout, "data")) as [Buffer];
  return JSON.parse(line.toString()) as Ports;
}

/** Sends `n`, `n + 1`, … until it is told to stop; each until it is acknowledged. */
type Sender = (acknowledged: Set<number>, stopped: () => boolean) => Promise<void>;

function overHttp(port: number): Sender {
  return async (acknowledged, stopped) => {
    for (let n = 0; !stopped(); n += BATCH) {
      const numbers = Array.from({ length: BATCH }, (_, index) => n + index);
      const body = numbers.map((one) => JSON.stringify({ ts: firstTimestamp + one, values: { n: one } })).join("\n");
      for (;;) {
        const status = await fetch(`http://127.0.0.1:${port}/v1/acme/by-http/telemetry`, {
          method: "POST",
          headers: { authorization: `Bearer ${KEY}`, "content-type": "application/x-ndjson" },
          body,
        }).then(
          (response) => response.status,
          () => undefined,
        );
        if (status === 202) break;
        await sleep(20);
      }
      for (const one of numbers) acknowledged.add(one);
    }
  };
}

function overCoap(port: number): Sender {
  return async (acknowledged, stopped) => {
    const client = await rawClient(port);
    for (let n = 0; !stopped(); n += 1) {
      const payload = JSON.stringify({ ts: firstTimestamp + n, values: { n } });
      const given = { path: "v1/acme/by-coap/telemetry", query: [`key=${KEY}`], payload };
      for (let packet = request(given); ; packet = request({ ...given, messageId: newMessageId() })) {
        client.send(packet);
        const isStored = await waitFor(
          () => client.received.some((one) => one.code === "2.04" && one.token.equals(packet.token)),
          {
            deadlineMs: 1_000,
            everyMs: 2,
          },
        ).catch(() => false);
        client.received.length = 0;
        if (isStored) break;
      }
      acknowledged.add(n);
    }
    client.close();
  };
}

test("nothing that was acknowledged is lost, and what came twice is one point", async () => {
  const ports = await startDoors({ http: 0, coap: 0 });
  const acknowledged = { "by-http": new Set<number>(), "by-coap": new Set<number>() };
  let isOver = false;
  const senders = [
    overHttp(ports.http)(acknowledged["by-http"], () => isOver),
    overCoap(ports.coap)(acknowledged["by-coap"], () => isOver),
  ];
  for (let kills = 0; kills < KILLS; kills += 1) {
    const reached = [acknowledged["by-http"].size + 100, acknowledged["by-coap"].size + 100];
    await waitFor(
      () => acknowledged["by-http"].size >= (reached[0] ?? 0) && acknowledged["by-coap"].size >= (reached[1] ?? 0),
      { what: "another hundred acknowledgements at each door" },
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    await startDoors(ports);
  }
  await waitFor(() => acknowledged["by-coap"].size >= KILLS * 100 + 20);
  isOver = true;
  await Promise.all(senders);

  const stored = { "by-http": new Set<number>(), "by-coap": new Set<number>() };
  const feed = feedFrames({ nc: nats.nc, consumer: "writer", logger: silentLogger });
  const missing = (): number =>
    (["by-http", "by-coap"] as const).reduce(
      (sum, device) => sum + [...acknowledged[device]].filter((n) => !stored[device].has(n)).length,
      0,
    );
  const reading = (async () => {
    for await (const frame of feed.frames) {
      for (const { deviceId, timestamp, values } of frame.readings) {
        // The point's name is its device, time and values: the same for each time that it came.
        expect(timestamp).toBe(firstTimestamp + Number(values["n"]));
        stored[deviceId as keyof typeof stored].add(Number(values["n"]));
      }
      frame.message.ack();
    }
  })();
  await waitFor(() => missing() === 0, { what: "what was acknowledged to be in JetStream", deadlineMs: 90_000 });
  feed.stop();
  await reading;
  expect(acknowledged["by-http"].size).toBeGreaterThanOrEqual(KILLS * 100);
}, 240_000);
