/**
 * A load of MQTT QoS 1 publishes from raw sockets. A client library would cost more than what it measures; this one
 * has its packets ready, writes the digits into them that change, and reads nothing but PUBACKs.
 */
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { Limiter } from "../../src/platform/limiter.js";
import { LatencyHistogram } from "./latency-histogram.js";
import { connectPacket, PacketTemplate } from "./mqtt-packets.js";

/** Log-ins at one time: devices do not all come in one moment. */
const CONNECTING = 256;
const TICK_MS = 1;
const WATCH_MS = 50;

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
  /** Sent by each device before those, and counted nowhere. */
  readonly warmUpPerDevice?: number;
  /** PUBLISHes of a connection that may wait for their PUBACK. */
  readonly window: number;
  /** Each message carries one number per metric. */
  readonly metrics: readonly string[];
  /** The topic's last part; `telemetry` when not given. For a bare broker any will do. */
  readonly topic?: string;
  /** Messages a second over all connections; as fast as the window lets when not given. */
  readonly rate?: number;
  /** With `rate`: messages of a device that leave together, as one that gathers its readings sends them. 1 when not given. */
  readonly bunch?: number;
  /** How far its newest timestamp lies in the past, ms: another load of the same devices may follow at once. 0 when not given. */
  readonly agoMs?: number;
  /** Ends the load when nothing was acknowledged for so long. 30 s when not given. */
  readonly stallMs?: number;
}

/** The timestamps of a part of the load, ms: each device sends each millisecond between them once. */
export interface SentTimes {
  readonly firstTs: number;
  readonly lastTs: number;
}

export interface MqttLoadResult extends SentTimes {
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
}

/** Connected, and warm where that was asked for: called before the first message that counts, which waits for it. */
export type Warm = (sent: SentTimes & { readonly messages: number }) => Promise<void>;

/** All is acknowledged, and the connections are still there: called before their end, which waits for it. */
export type Over = () => Promise<void>;

/** Runs the load in this process and resolves when all is acknowledged, or when it stalls. */
export async function runMqttLoad(load: MqttLoad, warm?: Warm, over?: Over): Promise<MqttLoadResult> {
  const { devices, messagesPerDevice, warmUpPerDevice = 0, agoMs = 0 } = load;
  const latencies = new LatencyHistogram();
  const failures: string[] = [];
  const zeroTs = Date.now() - agoMs - messagesPerDevice - warmUpPerDevice;
  const limiter = new Limiter(CONNECTING, devices.length);
  const publishers = await Promise.all(
    devices.map((device) => limiter.run(() => connectPublisher(device, load, zeroTs, latencies, failures))),
  );
  const warmed = await send(publishers, warmUpPerDevice, load);
  await warm?.({ firstTs: zeroTs, lastTs: zeroTs + warmUpPerDevice - 1, messages: warmed.acked });
  latencies.clear();
  const cpu = process.cpuUsage();
  const { sent, acked, seconds } = await send(publishers, warmUpPerDevice + messagesPerDevice, load);
  const { user, system } = process.cpuUsage(cpu);
  await over?.();
  for (const publisher of publishers) publisher.close();
  return {
    sent: sent - warmed.sent,
    acked: acked - warmed.acked,
    seconds,
    ackedPerSecond: seconds > 0 ? (acked - warmed.acked) / seconds : 0,
    p50AckMs: latencies.percentile(50),
    p99AckMs: latencies.percentile(99),
    maxAckMs: latencies.percentile(100),
    cpuSeconds: (user + system) / 1_000_000,
    failures: failures.slice(0, 10),
    firstTs: zeroTs + warmUpPerDevice,
    lastTs: zeroTs + warmUpPerDevice + messagesPerDevice - 1,
  };
}

interface Sent {
  /** Since the connections were made. */
  readonly sent: number;
  readonly acked: number;
  /** From here to the last PUBACK. */
  readonly seconds: number;
}

/** Has each publisher send until it has sent `each`; done when all is acknowledged, or nothing was for too long. */
async function send(publishers: readonly Publisher[], each: number, load: MqttLoad): Promise<Sent> {
  const { rate, bunch = 1, stallMs = 30_000 } = load;
  const already = Math.max(0, ...publishers.map(({ sent }) => sent));
  const since = performance.now();
  let bunches = 0;

  /** In turn: were all to send their nth message at one moment, the rate would be steady only on average. */
  function sendDue(perSecond: number, now: number): void {
    const due = Math.floor((((now - since) / 1_000) * perSecond) / bunch);
    for (; bunches < due; bunches += 1) {
      const rounds = Math.floor(bunches / publishers.length) + 1;
      publishers[bunches % publishers.length]?.sendUpTo(Math.min(each, already + rounds * bunch));
    }
  }

  if (rate === undefined) for (const publisher of publishers) publisher.sendUpTo(each);
  const sending = rate === undefined ? undefined : setInterval(() => sendDue(rate, performance.now()), TICK_MS);
  await new Promise<void>((resolve) => {
    const watching = setInterval(() => {
      // Thousands are looked through, so not at each tick.
      const lastAckAt = Math.max(since, ...publishers.map(({ lastAckAt: at }) => at));
      if (!publishers.every((publisher) => publisher.isDone(each)) && performance.now() - lastAckAt <= stallMs) return;
      clearInterval(watching);
      clearInterval(sending);
      resolve();
    }, WATCH_MS);
  });
  return {
    sent: publishers.reduce((sum, { sent }) => sum + sent, 0),
    acked: publishers.reduce((sum, { acked }) => sum + acked, 0),
    seconds: (Math.max(...publishers.map(({ lastAckAt: at }) => at), since) - since) / 1_000,
  };
}

class Publisher {
  sent = 0;
  acked = 0;
  lastAckAt = 0;
  isClosed = false;
  #allowed = 0;
  #unread = 0;
  readonly #window: number;
  /** A write per acknowledgement would measure system calls; at a steady rate there is nothing to wait for. */
  readonly #bunch: number;
  readonly #sentAt: Float64Array;
  readonly #packet: PacketTemplate;
  readonly #socket: Socket;
  readonly #latencies: LatencyHistogram;

  constructor(socket: Socket, topic: string, load: MqttLoad, latencies: LatencyHistogram, zeroTs: number) {
    this.#socket = socket;
    this.#window = load.window;
    this.#bunch = load.rate === undefined ? Math.ceil(load.window / 2) : (load.bunch ?? 1);
    this.#latencies = latencies;
    this.#sentAt = new Float64Array(load.window);
    this.#packet = new PacketTemplate(topic, load.metrics, zeroTs);
  }

  isDone(each: number): boolean {
    return this.isClosed || this.acked >= each;
  }

  sendUpTo(allowed: number): void {
    this.#allowed = allowed;
    this.#fill();
  }

  close(): void {
    this.isClosed = true;
    this.#socket.destroy();
  }

  /** PUBACKs are four bytes and come in the order of the PUBLISHes; MQTT 3.1.1 sends nothing else here. */
  read(bytes: number): void {
    this.#unread += bytes;
    const acks = this.#unread >> 2;
    this.#unread -= acks * 4;
    const now = performance.now();
    for (let n = 0; n < acks; n += 1) {
      this.#latencies.record(now - (this.#sentAt[this.acked % this.#window] ?? now));
      this.acked += 1;
    }
    if (acks > 0) this.lastAckAt = now;
    this.#fill();
  }

  #fill(): void {
    const end = Math.min(this.#allowed, this.acked + this.#window);
    const count = end - this.sent;
    if (count <= 0 || (count < this.#bunch && end < this.#allowed)) return;
    const now = performance.now();
    const bytes = Buffer.allocUnsafe(count * this.#packet.length);
    for (let at = 0; this.sent < end; this.sent += 1) {
      this.#sentAt[this.sent % this.#window] = now;
      at = this.#packet.write(bytes, at, this.sent);
    }
    this.#socket.write(bytes);
  }
}

/** What all connections read into: nothing is kept of it. */
const readBuffer = Buffer.alloc(64 * 1024);

function connectPublisher(
  { tenant, device, key }: LoadedDevice,
  load: MqttLoad,
  zeroTs: number,
  latencies: LatencyHistogram,
  failures: string[],
): Promise<Publisher> {
  return new Promise((resolve, reject) => {
    let publisher: Publisher | undefined;
    const callback = (bytes: number, connack: Uint8Array): boolean => {
      if (publisher !== undefined) {
        publisher.read(bytes);
      } else if (connack[0] !== 0x20 || connack[3] !== 0) {
        reject(new Error(`${device} was not let in: return code ${connack[3] ?? "none"}`));
        socket.destroy();
      } else {
        const topic = `v1/${tenant}/${device}/${load.topic ?? "telemetry"}`;
        publisher = new Publisher(socket, topic, load, latencies, zeroTs);
        resolve(publisher);
      }
      return true;
    };
    const onread = { buffer: readBuffer, callback };
    const socket = createConnection({ host: load.host, port: load.port, noDelay: true, onread });
    socket.once("connect", () => socket.write(connectPacket(`${tenant}-${device}`, `${tenant}/${device}`, key)));
    socket.once("error", (error) => {
      failures.push(`${device}: ${error.message}`);
      reject(error);
    });
    socket.on("close", () => {
      if (publisher === undefined || publisher.isClosed) return;
      failures.push(`${device}: the connection was closed`);
      publisher.isClosed = true;
    });
  });
}
