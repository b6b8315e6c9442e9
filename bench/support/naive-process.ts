/**
 * The two programs of the naive path, each a process: the door, which parses a PUBLISH, checks that it is JSON, publishes it to
 * JetStream and acknowledges it once JetStream has; and the writer, which makes a line of each message and writes them to
 * InfluxDB in batches. One thing is not naive: the door publishes with one inbox for all answers, because the client's own
 * `js.publish` would cost more than all the rest.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { generate, parser } from "mqtt-packet";
import { createInbox } from "nats";
import type { ConsumerMessages, JsMsg, NatsConnection } from "nats";
import { connectInflux } from "../../src/engines/influx.js";
import { connectNats } from "../../src/engines/nats.js";

export const STREAM = "NAIVE";
export const CONSUMER = "writer";
export const BATCH = 5_000;

/** The first message to the process; it answers with `Ready`. */
export interface Task {
  readonly role: "door" | "writer";
  readonly natsUrl: string;
  readonly influxUrl: string;
}

/** The port is the door's. */
export interface Ready {
  readonly port: number;
}

interface NaiveReading {
  readonly tenant: string;
  readonly device: string;
  readonly ts: number;
  readonly values: Readonly<Record<string, number>>;
}

async function openDoor(nc: NatsConnection): Promise<number> {
  const publish = publisher(nc);
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    const packets = parser();
    packets.on("error", () => socket.destroy());
    packets.on("packet", (packet) => {
      if (packet.cmd === "connect") {
        socket.write(generate({ cmd: "connack", returnCode: 0, sessionPresent: false }));
      } else if (packet.cmd === "publish") {
        const [, tenant = "", device = ""] = packet.topic.split("/");
        const { messageId = 0 } = packet;
        const set = JSON.parse(packet.payload.toString()) as Pick<NaiveReading, "ts" | "values">;
        publish(`naive.${tenant}.${device}`, JSON.stringify({ tenant, device, ...set }), (stored) => {
          if (stored) socket.write(generate({ cmd: "puback", messageId }));
          else socket.destroy();
        });
      }
    });
    socket.on("data", (chunk: Buffer) => packets.parse(chunk));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function publisher(nc: NatsConnection): (subject: string, text: string, done: (stored: boolean) => void) => void {
  const inbox = createInbox();
  const waiting = new Map<string, (stored: boolean) => void>();
  let count = 0;
  nc.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      const done = waiting.get(message.subject);
      waiting.delete(message.subject);
      done?.(error === null && message.string().startsWith('{"stream"'));
    },
  });
  return (subject, text, done) => {
    const reply = `${inbox}.${(count += 1)}`;
    waiting.set(reply, done);
    nc.publish(subject, text, { reply });
  };
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
    // Nothing more is on its way: what is there is written, however little.
    if (batch.length < BATCH && message.info.pending > 0) continue;
    await write(lines.join("\n"));
    for (const written of batch) written.ack();
    batch = [];
    lines = [];
  }
}

async function begin({ role, natsUrl, influxUrl }: Task): Promise<Ready> {
  const nc = await connectNats(natsUrl, `naive ${role}`);
  if (role === "door") return { port: await openDoor(nc) };
  const consumer = await nc.jetstream().consumers.get(STREAM, CONSUMER);
  const messages = await consumer.consume({ max_messages: 2 * BATCH });
  const { client } = connectInflux({ url: influxUrl, org: "fleetlog", bucket: "fleetlog" });
  void writeAll(messages, (body) =>
    client.transport.request("/write?db=fleetlog&precision=ms", body, { method: "POST" }),
  );
  return { port: 0 };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // Whoever started it is gone, or done with it.
  process.once("disconnect", () => process.exit(0));
  process.once("message", (task: Task) => {
    void begin(task).then((ready) => process.send?.(ready));
  });
}
