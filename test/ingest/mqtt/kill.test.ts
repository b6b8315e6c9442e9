/** `kill -9` of the gateway at any moment: QoS 2 stays exactly once, and sessions are found again. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createConnection } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { choosePort } from "../../../src/embedded/processes/index.js";
import { bundleTs } from "../../support/spawn-ts.js";
import type { BundledTs } from "../../support/spawn-ts.js";
import { waitFor } from "../../support/wait-for.js";
import { natsUnderTest } from "../support.js";
import type { NatsUnderTest } from "../support.js";
import { RawClient } from "./raw-client.js";
import { collectReadings } from "./readings.js";
import type { ReadingsFeed } from "./readings.js";

const MESSAGES = 300;
const KILLS = 6;
const WINDOW = 8;
const TELEMETRY = "v1/acme/d1/telemetry";

let nats: NatsUnderTest;
let feed: ReadingsFeed;
let program: BundledTs;
let port: number;
let child: ChildProcess | undefined;

beforeAll(async () => {
  nats = await natsUnderTest();
  feed = collectReadings(nats.nc);
  program = await bundleTs("test/ingest/mqtt/children/gateway.ts");
  port = await choosePort(0);
});
afterAll(async () => {
  await kill();
  await program.remove();
  await feed.stop();
  await nats.stop();
});

function start(): void {
  child = spawn(process.execPath, [program.path, nats.server.url, String(port)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

async function kill(): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Connects as soon as the gateway is there. */
async function connect(version: 4 | 5): Promise<{ readonly client: RawClient; readonly present: boolean }> {
  const client = await waitFor(async () => {
    const socket = createConnection({ host: "127.0.0.1", port });
    const opened = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    return opened ? new RawClient(socket, version) : undefined;
  });
  const properties = version === 5 ? { properties: { sessionExpiryInterval: 3_600 } } : {};
  const { sessionPresent } = await client.connect({ clean: false, clientId: `steady-${version}`, ...properties });
  return { client, present: sessionPresent };
}

/**
 * The sender's half of QoS 2, as section 4.3.3 has it: what is not received is published again as a duplicate, what is not
 * completed is released again. The payload has no time of its own, so what is stored twice would be two points.
 */
class Sender {
  readonly #published = new Map<number, string>();
  readonly #released = new Set<number>();
  #next = 0;
  #client: RawClient;
  completed = 0;

  constructor(client: RawClient) {
    this.#client = client;
  }

  async run(until: () => boolean): Promise<void> {
    while (!until() && this.completed < MESSAGES && !this.#client.isClosed) {
      this.#fill();
      const packet = this.#client.packets.shift();
      if (packet === undefined) await new Promise((resolve) => setImmediate(resolve));
      else this.#handle(packet.cmd, packet.messageId ?? 0);
    }
  }

  resume(client: RawClient): void {
    this.#client = client;
    for (const [id, payload] of this.#published) this.#publish(id, payload, true);
    for (const id of this.#released) client.send({ cmd: "pubrel", messageId: id });
  }

  #fill(): void {
    while (this.#published.size + this.#released.size < WINDOW && this.#next < MESSAGES) {
      const payload = `{"n":${this.#next}}`;
      // Few identifiers, so that they are used again and again.
      let id = (this.#next % (WINDOW * 2)) + 1;
      while (this.#published.has(id) || this.#released.has(id)) id = (id % (WINDOW * 2)) + 1;
      this.#next += 1;
      this.#published.set(id, payload);
      this.#publish(id, payload, false);
    }
  }

  #publish(messageId: number, payload: string, dup: boolean): void {
    this.#client.publish(TELEMETRY, payload, { qos: 2, messageId, dup });
  }

  #handle(cmd: string, id: number): void {
    if (cmd === "pubrec") {
      this.#published.delete(id);
      this.#released.add(id);
      this.#client.send({ cmd: "pubrel", messageId: id });
    } else if (cmd === "pubcomp" && this.#released.delete(id)) {
      this.completed += 1;
    }
  }
}

test.each([4, 5] as const)("version %s: killed again and again, each QoS 2 message is one point", async (version) => {
  feed.readings.length = 0;
  start();
  const first = await connect(version);
  expect(first.present).toBe(false);
  const sender = new Sender(first.client);
  for (let kills = 1; kills <= KILLS; kills += 1) {
    const aim = (MESSAGES / (KILLS + 1)) * kills;
    await sender.run(() => sender.completed >= aim);
    await kill();
    start();
    const { client, present } = await connect(version);
    expect(present).toBe(true);
    sender.resume(client);
  }
  await sender.run(() => false);
  expect(sender.completed).toBe(MESSAGES);
  await waitFor(() => new Set(feed.readings.map(({ values }) => values["n"])).size === MESSAGES);
  const points = new Set(feed.readings.map(({ timestamp, values }) => `${timestamp} ${String(values["n"])}`));
  expect(points.size).toBe(MESSAGES);
  await kill();
});

test("subscriptions are there after a kill, and a session that was never written to as well", async () => {
  start();
  const { client } = await connect(5);
  client.send({
    cmd: "subscribe",
    messageId: 1,
    subscriptions: [{ topic: "v1/acme/d1/responses", qos: 1, nl: false, rap: false, rh: 0 }],
  });
  await client.next("suback");
  await kill();
  start();
  const again = await connect(5);
  expect(again.present).toBe(true);
  // What is answered there shows that the subscription is.
  const properties = { responseTopic: "v1/acme/d1/responses" };
  again.client.publish(TELEMETRY, '{"n":1}', { qos: 1, messageId: 1, properties });
  expect((await again.client.next("publish")).payload.toString()).toBe('{"stored":1}');
  again.client.destroy();
  await kill();
});
