import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";

/** A device as devices should be: it sends a reading again until it is acknowledged, through every loss of connection. */
export interface Load {
  /** Distinct readings whose PUBACK has come. */
  readonly acknowledged: number;
  /** Distinct readings that it began to send. */
  readonly begun: number;
  /** Sends no new ones; resolves once the last has been acknowledged. */
  finish(): Promise<number>;
  /** Breaks off where it is: what is not acknowledged by now may or may not be stored. */
  abandon(): Promise<void>;
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
  const { url, username, password, topic, firstTimestamp } = options;
  let begun = 0;
  let acknowledged = 0;
  const finishing = new AbortController();
  const abandoning = new AbortController();
  const client = mqtt.connect(url, {
    username,
    password,
    protocolVersion: 5,
    clientId: username,
    reconnectPeriod: 100,
    connectTimeout: 3_000,
    // By default mqtt.js gives up for good on "server unavailable".
    reconnectOnConnackError: true,
  });
  // A lost connection is what this load is for; mqtt.js connects again by itself.
  client.on("error", () => undefined);

  async function publishOne(): Promise<void> {
    const n = begun;
    begun += 1;
    const payload = JSON.stringify({ ts: firstTimestamp + n, values: { n } });
    while (!abandoning.signal.aborted) {
      try {
        await client.publishAsync(topic, payload, { qos: 1 });
        acknowledged += 1;
        return;
      } catch {
        // Not acknowledged is not stored, as far as a device can know: again.
        await sleep(50);
      }
    }
  }

  const workers = Array.from({ length: WINDOW }, async () => {
    while (!finishing.signal.aborted) await publishOne();
  });
  return {
    get acknowledged() {
      return acknowledged;
    },
    get begun() {
      return begun;
    },
    async finish() {
      finishing.abort();
      await Promise.all(workers);
      await client.endAsync(true);
      return acknowledged;
    },
    async abandon() {
      finishing.abort();
      abandoning.abort();
      await client.endAsync(true);
    },
  };
}
