/**
 * The baseline of the whole path: the same parts, put together as one does at first. Each PUBLISH is parsed, checked to be
 * JSON, published to JetStream by the client's own `publish`, and acknowledged after that; a consumer makes a line of each
 * message and writes them to InfluxDB in batches. No validation, no rules, no relay, no limits.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate, parser } from "mqtt-packet";
import { AckPolicy, RetentionPolicy, StorageType } from "nats";
import type { ConsumerMessages, JetStreamClient, JsMsg, NatsConnection } from "nats";
import { startInflux, startNats } from "../../src/embedded/processes/index.js";
import { connectInflux } from "../../src/engines/influx.js";
import { connectNats } from "../../src/engines/nats.js";
import { Lifecycle } from "../../src/platform/lifecycle.js";
import type { Running } from "../../src/platform/lifecycle.js";
import { createLogger } from "../../src/platform/logger.js";

export interface NaivePath extends Running {
  readonly name: string;
  readonly port: number;
}

const STREAM = "NAIVE";
const BATCH = 5_000;

export async function startNaivePath(): Promise<NaivePath> {
  const logger = createLogger({ level: "error", name: "naive path" });
  const lifecycle = new Lifecycle(logger);
  const dataDir = await mkdtemp(join(tmpdir(), "fleetlog-naive-"));
  lifecycle.add("files", { stop: () => rm(dataDir, { recursive: true, force: true }) });
  try {
    const influx = lifecycle.add("InfluxDB", await startInflux({ dataDir: join(dataDir, "influx"), logger }));
    const server = lifecycle.add("NATS", await startNats({ dataDir: join(dataDir, "nats"), logger }));
    const nc = await connectNats(server.url, "naive");
    lifecycle.add("NATS client", { stop: () => nc.close() });
    const messages = await startConsumer(nc);
    const { client } = connectInflux({ url: influx.url, org: "fleetlog", bucket: "fleetlog" });
    const writing = writeAll(messages, (body) =>
      client.transport.request("/write?db=fleetlog&precision=ms", body, { method: "POST" }),
    );
    lifecycle.add("writer", {
      async stop() {
        messages.stop();
        await writing;
      },
    });
    const door = await openDoor(nc.jetstream());
    lifecycle.add("door", door);
    return {
      name: "the naive path: mqtt-packet, JSON.parse, js.publish for each message, a line for each message, InfluxDB",
      port: door.port,
      stop: () => lifecycle.stop(),
    };
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

async function startConsumer(nc: NatsConnection): Promise<ConsumerMessages> {
  const manager = await nc.jetstreamManager();
  const retention = RetentionPolicy.Workqueue;
  await manager.streams.add({ name: STREAM, subjects: ["naive.>"], storage: StorageType.File, retention });
  await manager.consumers.add(STREAM, {
    durable_name: "writer",
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 4 * BATCH,
  });
  const consumer = await nc.jetstream().consumers.get(STREAM, "writer");
  return consumer.consume({ max_messages: 2 * BATCH });
}

/** Ends with the messages. */
async function writeAll(messages: ConsumerMessages, write: (body: string) => Promise<unknown>): Promise<void> {
  let batch: JsMsg[] = [];
  let lines: string[] = [];
  for await (const message of messages) {
    const { tenant, device, ts, values } = message.json<NaiveReading>();
    const fields = Object.entries(values).map(([name, value]) => `${name}=${value}`);
    lines.push(`sensor_data,tenant_id=${tenant},device_id=${device} ${fields.join(",")} ${ts}`);
    batch.push(message);
    if (batch.length < BATCH && messages.getPending() > 1) continue;
    await write(lines.join("\n"));
    for (const written of batch) written.ack();
    batch = [];
    lines = [];
  }
}

interface NaiveReading {
  readonly tenant: string;
  readonly device: string;
  readonly ts: number;
  readonly values: Readonly<Record<string, number>>;
}

async function openDoor(js: JetStreamClient): Promise<Running & { readonly port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    const packets = parser();
    packets.on("error", () => socket.destroy());
    packets.on("packet", (packet) => {
      if (packet.cmd === "connect") {
        socket.write(generate({ cmd: "connack", returnCode: 0, sessionPresent: false }));
      } else if (packet.cmd === "publish") {
        const [, tenant = "", device = ""] = packet.topic.split("/");
        const { messageId = 0 } = packet;
        const set = JSON.parse(packet.payload.toString()) as Pick<NaiveReading, "ts" | "values">;
        js.publish(`naive.${tenant}.${device}`, JSON.stringify({ tenant, device, ...set })).then(
          () => socket.write(generate({ cmd: "puback", messageId })),
          () => socket.destroy(),
        );
      }
    });
    socket.on("data", (chunk: Buffer) => packets.parse(chunk));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
