/**
 * A load of MQTT QoS 1 publishes from raw sockets. A client library would cost more than what it measures; this one
 * writes packets that are put together by hand and reads nothing but PUBACKs.
 */
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { LatencyHistogram } from "./latency-histogram.js";

export interface LoadedDevice {
  readonly tenant: string;
  readonly device: string;
  readonly key: string;
}

export interface MqttLoad {
  readonly host: string;
  readonly port: number;
  /** One connection each. */
  readonly devices: readonly LoadedDevice[];
  readonly messagesPerDevice: number;
  /** PUBLISHes of a connection that may wait for their PUBACK. */
  readonly window: number;
  /** Each message carries one number per metric. */
  readonly metrics: readonly string[];
  /** The topic's last part; `telemetry` when not given. For a bare broker any will do. */
  readonly topic?: string;
  /** Messages a second over all connections; as fast as the window lets when not given. */
  readonly rate?: number;
  /** Ends the load when nothing was acknowledged for so long. 30 s when not given. */
  readonly stallMs?: number;
}

export interface MqttLoadResult {
  readonly sent: number;
  readonly acked: number;
  /** From the first PUBLISH to the last PUBACK. */
  readonly seconds: number;
  readonly ackedPerSecond: number;
  readonly p50AckMs: number;
  readonly p99AckMs: number;
  readonly maxAckMs: number;
  /** The processor time of this process while the load ran. */
  readonly cpuSeconds: number;
  /** Connections that ended before their messages were acknowledged, with what they said. */
  readonly failures: readonly string[];
  /** The first and the last timestamp sent, ms; each device sends each millisecond between them at most once. */
  readonly firstTs: number;
  readonly lastTs: number;
}

/** Runs the load in this process and resolves when all is acknowledged, or when it stalls. */
export async function runMqttLoad(load: MqttLoad): Promise<MqttLoadResult> {
  const { devices, messagesPerDevice, stallMs = 30_000 } = load;
  const latencies = new LatencyHistogram();
  const failures: string[] = [];
  const firstTs = Date.now() - messagesPerDevice;
  const publishers = await Promise.all(
    devices.map((device) => connectPublisher(device, load, firstTs, latencies, failures)),
  );
  const cpu = process.cpuUsage();
  const since = performance.now();
  let lastAckAt = since;
  let acked = 0;
  const count = (): number => publishers.reduce((sum, publisher) => sum + publisher.acked, 0);
  await new Promise<void>((resolve) => {
    const timer = setInterval(
      () => {
        const now = performance.now();
        const total = count();
        if (total > acked) lastAckAt = now;
        acked = total;
        if (publishers.every(({ isDone }) => isDone) || now - lastAckAt > stallMs) {
          clearInterval(timer);
          resolve();
          return;
        }
        if (load.rate === undefined) return;
        const due = ((now - since) / 1_000) * load.rate;
        // In turn: were all to send their nth message at one moment, the rate would be steady only on average.
        for (const [index, publisher] of publishers.entries()) {
          publisher.sendUpTo(Math.floor((due - index) / publishers.length) + 1);
        }
      },
      load.rate === undefined ? 20 : 1,
    );
    for (const publisher of publishers) publisher.sendUpTo(load.rate === undefined ? messagesPerDevice : 0);
  });
  const seconds = (Math.max(...publishers.map(({ lastAckAt: at }) => at), since) - since) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  for (const publisher of publishers) publisher.close();
  acked = count();
  return {
    sent: publishers.reduce((sum, publisher) => sum + publisher.sent, 0),
    acked,
    seconds,
    ackedPerSecond: seconds > 0 ? acked / seconds : 0,
    p50AckMs: latencies.percentile(50),
    p99AckMs: latencies.percentile(99),
    maxAckMs: latencies.percentile(100),
    cpuSeconds: (user + system) / 1_000_000,
    failures: failures.slice(0, 10),
    firstTs,
    lastTs: firstTs + messagesPerDevice - 1,
  };
}

class Publisher {
  sent = 0;
  acked = 0;
  lastAckAt = 0;
  isDone = false;
  #allowed = 0;
  #unread = 0;
  readonly #sentAt: Float64Array;
  readonly #messages: (n: number) => string;
  readonly #socket: Socket;
  readonly #load: MqttLoad;
  readonly #latencies: LatencyHistogram;
  readonly #topic: string;

  constructor(socket: Socket, topic: string, load: MqttLoad, latencies: LatencyHistogram, firstTs: number) {
    this.#socket = socket;
    this.#topic = topic;
    this.#load = load;
    this.#latencies = latencies;
    this.#sentAt = new Float64Array(load.window);
    const values = (n: number): string =>
      load.metrics
        .map((metric, index) => `"${metric}":${(20 + index + ((n * (index + 7)) % 1_000) / 100).toFixed(2)}`)
        .join(",");
    this.#messages = (n) => `{"ts":${firstTs + n},"values":{${values(n)}}}`;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  sendUpTo(allowed: number): void {
    this.#allowed = Math.min(allowed, this.#load.messagesPerDevice);
    this.#fill();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** PUBACKs are four bytes and come in the order of the PUBLISHes; MQTT 3.1.1 sends nothing else here. */
  #read(chunk: Buffer): void {
    this.#unread += chunk.length;
    const acks = this.#unread >> 2;
    this.#unread -= acks * 4;
    const now = performance.now();
    for (let n = 0; n < acks; n += 1) {
      this.#latencies.record(now - (this.#sentAt[this.acked % this.#load.window] ?? now));
      this.acked += 1;
    }
    if (acks > 0) this.lastAckAt = now;
    if (this.acked === this.#load.messagesPerDevice) this.isDone = true;
    else this.#fill();
  }

  #fill(): void {
    const { window } = this.#load;
    const end = Math.min(this.#allowed, this.acked + window);
    // In bunches: a write per acknowledgement would measure system calls.
    if (
      end <= this.sent ||
      (end - this.sent < window / 4 && end < this.#load.messagesPerDevice && this.#load.rate === undefined)
    )
      return;
    const now = performance.now();
    const packets: Buffer[] = [];
    for (; this.sent < end; this.sent += 1) {
      this.#sentAt[this.sent % window] = now;
      packets.push(publishPacket(this.#topic, (this.sent % 65_535) + 1, this.#messages(this.sent)));
    }
    this.#socket.write(Buffer.concat(packets));
  }
}

function connectPublisher(
  { tenant, device, key }: LoadedDevice,
  load: MqttLoad,
  firstTs: number,
  latencies: LatencyHistogram,
  failures: string[],
): Promise<Publisher> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: load.host, port: load.port, noDelay: true });
    socket.once("connect", () => socket.write(connectPacket(`${tenant}-${device}`, `${tenant}/${device}`, key)));
    socket.once("error", (error) => {
      failures.push(`${device}: ${error.message}`);
      reject(error);
    });
    socket.once("data", (connack: Buffer) => {
      if (connack[0] !== 0x20 || connack[3] !== 0) {
        reject(new Error(`${device} was not let in: return code ${connack[3] ?? "none"}`));
        socket.destroy();
        return;
      }
      const publisher = new Publisher(
        socket,
        `v1/${tenant}/${device}/${load.topic ?? "telemetry"}`,
        load,
        latencies,
        firstTs,
      );
      socket.on("close", () => {
        if (!publisher.isDone) {
          failures.push(`${device}: the connection was closed`);
          publisher.isDone = true;
        }
      });
      resolve(publisher);
    });
  });
}

function connectPacket(clientId: string, username: string, password: string): Buffer {
  const name = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0xc2, 0, 0]);
  return packet(0x10, Buffer.concat([name, field(clientId), field(username), field(password)]));
}

function publishPacket(topic: string, messageId: number, payload: string): Buffer {
  const topicLength = topic.length;
  const length = 2 + topicLength + 2 + payload.length;
  const header = length < 128 ? 2 : length < 16_384 ? 3 : 4;
  const bytes = Buffer.allocUnsafe(header + length);
  bytes[0] = 0x32;
  let rest = length;
  for (let at = 1; at < header; at += 1) {
    bytes[at] = (rest & 0x7f) | (at < header - 1 ? 0x80 : 0);
    rest >>= 7;
  }
  bytes.writeUInt16BE(topicLength, header);
  bytes.write(topic, header + 2, "latin1");
  bytes.writeUInt16BE(messageId, header + 2 + topicLength);
  bytes.write(payload, header + 4 + topicLength, "latin1");
  return bytes;
}

function packet(type: number, body: Buffer): Buffer {
  if (body.length > 127)
    return Buffer.concat([Buffer.from([type, (body.length & 0x7f) | 0x80, body.length >> 7]), body]);
  return Buffer.concat([Buffer.from([type, body.length]), body]);
}

function field(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}
