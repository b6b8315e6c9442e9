/** A simulated device: a real MQTT client that publishes with QoS 1 and remembers what was acknowledged. */
import { connectAsync } from "mqtt";
import type { MqttClient } from "mqtt";
import type { Running } from "../platform/lifecycle.js";
import type { Member } from "./fleet.js";
import type { Latencies } from "./latencies.js";

export interface DeviceOptions {
  readonly mqttUrl: string;
  readonly tenant: string;
  readonly member: Member;
  readonly key: string;
  readonly ackLatencies: Latencies;
  /** The platform said no to a reading, with this reason. */
  readonly onRefused: (reason: string) => void;
}

/** PUBLISHes of one device that wait for their PUBACK; the replay waits when there are so many. */
const WINDOW = 200;
/** How many readings have the moment of their sending remembered, for the latency of the alert that one may raise. */
const REMEMBERED = 50_000;

export class SimulatedDevice implements Running {
  readonly member: Member;
  sent = 0;
  acknowledged = 0;
  refused = 0;
  /** Device time of the first and the newest reading, ms since the epoch. */
  firstTime = Number.POSITIVE_INFINITY;
  lastTime = Number.NEGATIVE_INFINITY;
  readonly #client: MqttClient;
  readonly #options: DeviceOptions;
  readonly #topic: string;
  readonly #sentAt = new Map<number, number>();

  private constructor(client: MqttClient, options: DeviceOptions) {
    this.#client = client;
    this.#options = options;
    this.member = options.member;
    this.#topic = `v1/${options.tenant}/${options.member.deviceId}/telemetry`;
    // What is on the way is sent again after a reconnect; a passing failure is no news.
    client.on("error", () => {});
  }

  /** Rejects when the platform does not let it in. */
  static async connect(options: DeviceOptions): Promise<SimulatedDevice> {
    const { mqttUrl, tenant, member, key } = options;
    const client = await connectAsync(
      mqttUrl,
      {
        protocolVersion: 5,
        clientId: member.deviceId,
        username: `${tenant}/${member.deviceId}`,
        password: key,
        keepalive: 30,
        reconnectPeriod: 500,
        connectTimeout: 30_000,
      },
      false,
    );
    return new SimulatedDevice(client, options);
  }

  get inFlight(): number {
    return this.sent - this.acknowledged - this.refused;
  }

  get hasRoom(): boolean {
    return this.inFlight < WINDOW;
  }

  publish(time: number, value: number): void {
    const at = performance.now();
    this.#remember(time, at);
    this.sent += 1;
    this.firstTime = Math.min(this.firstTime, time);
    this.lastTime = Math.max(this.lastTime, time);
    const payload = `{"ts":${time},"values":{"${this.member.metric}":${value}}}`;
    this.#client.publish(this.#topic, payload, { qos: 1 }, (error) => {
      if (error !== undefined && error !== null) {
        this.refused += 1;
        this.#options.onRefused(error.message);
        return;
      }
      this.acknowledged += 1;
      this.#options.ackLatencies.record(performance.now() - at);
    });
  }

  /** When the reading of that device time was sent, by `performance.now()`. */
  sentAt(time: number): number | undefined {
    return this.#sentAt.get(time);
  }

  /** Says goodbye; what is still on the way is given up. */
  async stop(): Promise<void> {
    await this.#client.endAsync(true);
  }

  #remember(time: number, at: number): void {
    this.#sentAt.set(time, at);
    if (this.#sentAt.size <= REMEMBERED) return;
    for (const oldest of this.#sentAt.keys()) {
      this.#sentAt.delete(oldest);
      return;
    }
  }
}
