import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import type { MqttClient } from "mqtt";

/** A device as devices should be: it sends a reading again until it is acknowledged, through every loss of connection. */
export interface Load {
  /** Distinct readings whose PUBACK has come. */
  readonly acknowledged: number;
  /** Sends no new ones; resolves once the last has been acknowledged. */
  finish(): Promise<number>;
}

export interface LoadOptions {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly topic: string;
  /** Each reading has a timestamp of its own, counting up from here, ms. */
  readonly firstTimestamp: number;
}

const WINDOW = 20;

/** Keeps a window of QoS 1 publishes under way, each a reading `{n}` that exists once: what is stored can be counted exactly. */
export function startLoad(options: LoadOptions): Load {
  let sent = 0;
  let acknowledged = 0;
  let finishing = false;

  async function publishOne(client: MqttClient): Promise<void> {
    const n = sent;
    sent += 1;
    const payload = JSON.stringify({ ts: options.firstTimestamp + n, values: { n } });
    for (;;) {
      try {
        await client.publishAsync(options.topic, payload, { qos: 1 });
        acknowledged += 1;
        return;
      } catch {
        // Not acknowledged is not stored, as far as a device can know: again.
        await sleep(50);
      }
    }
  }

  async function run(): Promise<number> {
    const { url, username, password } = options;
    const client = mqtt.connect(url, {
      username,
      password,
      protocolVersion: 5,
      clientId: username,
      reconnectPeriod: 100,
      connectTimeout: 3_000,
      // By default mqtt.js gives up for good on "server unavailable", which is what a gateway without its storage must say.
      reconnectOnConnackError: true,
    });
    // A lost connection is what this load is for; mqtt.js connects again by itself.
    client.on("error", () => undefined);
    const worker = async () => {
      while (!finishing) await publishOne(client);
    };
    await Promise.all(Array.from({ length: WINDOW }, worker));
    await client.endAsync(true);
    return acknowledged;
  }

  const done = run();
  return {
    get acknowledged() {
      return acknowledged;
    },
    finish() {
      finishing = true;
      return done;
    },
  };
}
