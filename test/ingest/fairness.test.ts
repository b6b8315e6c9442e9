/** A device beside others that flood the gateway: it waits for its turn, not for all that they have sent. */
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { generate } from "mqtt-packet";
import { expect, test } from "vitest";
import { createIngestCounters } from "../../src/ingest/counters.js";
import { feedFrames } from "../../src/ingest/index.js";
import { createPublisher } from "../../src/ingest/jetstream/publisher.js";
import type { Publisher } from "../../src/ingest/jetstream/publisher.js";
import { silentLogger } from "../../src/platform/logger.js";
import { createMetrics } from "../../src/platform/metrics.js";
import { waitFor } from "../support/wait-for.js";
import { gatewayUnderTest, KEY, natsUnderTest } from "./support.js";

const FLOOD = 1_000;
const FULL_FRAME = 500;

test("one message among a flood is stored in its sender's turn", async () => {
  const nats = await natsUnderTest();
  const counters = createIngestCounters(createMetrics());
  const options = { nc: nats.nc, logger: silentLogger, counters, maxInFlight: 1, deadlineMs: 60_000 };
  const real = createPublisher(options);
  const asked = { count: 0 };
  const publisher = counting(real, asked);
  const under = await gatewayUnderTest(nats.nc, {}, { publisher });
  const sockets: Socket[] = [];
  const login = async (device: string): Promise<Socket> => {
    under.models.put("acme", device);
    const socket = connect(under.gateway.port, "127.0.0.1");
    sockets.push(socket);
    const packet = {
      cmd: "connect",
      clientId: device,
      protocolVersion: 4,
      username: `acme/${device}`,
      clean: true,
    } as const;
    socket.write(generate({ ...packet, keepalive: 0, protocolId: "MQTT", password: Buffer.from(KEY) }));
    await once(socket, "data");
    socket.resume();
    return socket;
  };
  const [first, second, beside] = [await login("first"), await login("second"), await login("beside")];
  const order: string[] = [];
  const feed = feedFrames({ nc: nats.nc, consumer: "writer", logger: silentLogger });
  void (async () => {
    for await (const frame of feed.frames) {
      order.push(...frame.readings.map(({ deviceId }) => deviceId));
      frame.message.ack();
    }
  })();
  // What a log-in publishes is answered before the flood comes.
  await real.drained();
  asked.count = 0;
  const pid = nats.server.pid() ?? Number.NaN;
  process.kill(pid, "SIGSTOP");
  try {
    for (const [index, [socket, device, count]] of (
      [
        [first, "first", FLOOD],
        [second, "second", FLOOD],
        [beside, "beside", 1],
      ] as const
    ).entries()) {
      socket.write(publishes(device, count));
      await waitFor(() => asked.count > index, { what: `${device} to be held` });
    }
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await waitFor(() => order.length === 2 * FLOOD + 1, { what: "all to be stored" });
  // Behind what was on its way, and one turn of each.
  expect(order.indexOf("beside")).toBeLessThan(FULL_FRAME + 100);
  feed.stop();
  for (const socket of sockets) socket.destroy();
  await under.stop();
  await nats.stop();
});

function publishes(device: string, count: number): Buffer {
  const ts = Date.now();
  return Buffer.concat(
    Array.from({ length: count }, (_, n) =>
      generate({
        cmd: "publish",
        topic: `v1/acme/${device}/telemetry`,
        qos: 1,
        dup: false,
        retain: false,
        messageId: n + 1,
        payload: JSON.stringify({ ts: ts + n, values: { n } }),
      }),
    ),
  );
}

/** Knows how often somebody was held. */
function counting(real: Publisher, asked: { count: number }): Publisher {
  return {
    publish: (subject, data, done) => real.publish(subject, data, done),
    get saturated() {
      return real.saturated;
    },
    get crowded() {
      return real.crowded;
    },
    get available() {
      return real.available;
    },
    whenRoom(listener) {
      asked.count += 1;
      real.whenRoom(listener);
    },
    drained: () => real.drained(),
    stop: () => real.stop(),
    health: () => real.health(),
  };
}
