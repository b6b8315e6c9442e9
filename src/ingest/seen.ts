/** Tells who was heard and when, in bulk: last-seen is no event per packet. */
import type { NatsConnection } from "nats";
import type { Running } from "../platform/lifecycle.js";
import { subjects } from "../platform/subjects.js";
import { BoundedMap } from "../platform/bounded-map.js";

/** `[tenant, device, lastHeardMs]` */
export type SeenDevice = readonly [tenant: string, device: string, lastHeardMs: number];

/** What is published on `subjects.seen` (JSON, core NATS). */
export interface SeenMessage {
  readonly gateway: string;
  readonly at: number;
  /** Those that are connected at that moment, however long ago they spoke. */
  readonly devices: readonly SeenDevice[];
  /** Those that spoke since the last round without a connection, or whose connection has ended. */
  readonly heard: readonly SeenDevice[];
}

export interface Seen extends Running {
  /** For doors without connections, and for a connection's end: when the device was heard, ms; now where it is not given. */
  heard(tenant: string, device: string, at?: number): void;
  /** For doors with connections: asked at each round for all that are connected. */
  addSource(source: () => Iterable<SeenDevice>): () => void;
}

const CHUNK = 2_000;
/** Heard between two rounds; beyond it the longest unheard are left out of one round. */
const MAX_HEARD = 200_000;

export interface SeenOptions {
  readonly nc: NatsConnection;
  readonly gateway: string;
  /** Asked before each round: while NATS is away the client would keep the messages in memory without a bound. */
  readonly isAvailable: () => boolean;
  readonly everyMs?: number;
}

export function startSeen({ nc, gateway, isAvailable, everyMs = 5_000 }: SeenOptions): Seen {
  const heard = new BoundedMap<string, SeenDevice>(MAX_HEARD);
  const sources = new Set<() => Iterable<SeenDevice>>();
  const timer = setInterval(publish, everyMs);
  timer.unref();

  function publish(): void {
    if (!isAvailable()) return;
    const at = Date.now();
    let held: SeenDevice[] = [];
    let passing: SeenDevice[] = [];
    let told = false;
    const send = (): void => {
      // An empty word, too, is one: that there is a gateway, and that it holds nobody.
      if (held.length + passing.length === 0 && told) return;
      told = true;
      const message: SeenMessage = { gateway, at, devices: held, heard: passing };
      nc.publish(subjects.seen, Buffer.from(JSON.stringify(message)));
      held = [];
      passing = [];
    };
    for (const source of sources) {
      for (const device of source()) {
        held.push(device);
        if (held.length === CHUNK) send();
      }
    }
    for (const device of heard.values()) {
      passing.push(device);
      if (held.length + passing.length === CHUNK) send();
    }
    send();
    heard.clear();
  }

  return {
    heard(tenant, device, at = Date.now()) {
      const key = `${tenant}/${device}`;
      if ((heard.peek(key)?.[2] ?? 0) <= at) heard.set(key, [tenant, device, at]);
    },
    addSource(source) {
      sources.add(source);
      return () => void sources.delete(source);
    },
    stop() {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
}
