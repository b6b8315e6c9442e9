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
  readonly devices: readonly SeenDevice[];
}

export interface Seen extends Running {
  /** For doors without connections: the device was heard now. */
  heard(tenant: string, device: string): void;
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
    let chunk: SeenDevice[] = [];
    let told = false;
    const send = (): void => {
      // An empty word, too, is one: that there is a gateway, and that it holds nobody.
      if (chunk.length === 0 && told) return;
      told = true;
      const message: SeenMessage = { gateway, at, devices: chunk };
      nc.publish(subjects.seen, Buffer.from(JSON.stringify(message)));
      chunk = [];
    };
    for (const source of [() => heard.values(), ...sources]) {
      for (const device of source()) {
        chunk.push(device);
        if (chunk.length === CHUNK) send();
      }
    }
    send();
    heard.clear();
  }

  return {
    heard: (tenant, device) => heard.set(`${tenant}/${device}`, [tenant, device, Date.now()]),
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
