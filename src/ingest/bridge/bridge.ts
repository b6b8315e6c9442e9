/**
 * Takes in what devices tell an outside MQTT broker. Several clients share the subscriptions where the broker can
 * (MQTT 5), one has them alone where it cannot. Nothing is acknowledged to the broker before it is stored: after a failure
 * the connection is broken off, and the broker delivers again what it has kept.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Backoff } from "../../platform/backoff.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { Counter, Gauge } from "../../platform/metrics.js";
import type { Registry as Metrics } from "../../platform/metrics.js";
import type { Ingest } from "../ingest.js";
import type { Registry } from "../registry/registry.js";
import { connectBroker } from "./broker-connection.js";
import type { BrokerConnection, ConnectionEnd, ProtocolVersion } from "./broker-connection.js";
import { createIntake } from "./intake.js";
import type { BridgeRule } from "./mapping.js";

export interface BridgeDeps {
  readonly ingest: Ingest;
  readonly registry: Pick<Registry, "peek" | "find" | "hasTenant">;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface BridgeOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, with user and password where the broker wants them. */
  readonly url: string;
  readonly rules: readonly BridgeRule[];
  /** The sessions at the broker are named by it: the same after a restart, another for every gateway. */
  readonly owner: string;
  /**
   * One subscribes by itself: nothing passes anything, and every broker finds that again after its own restart. Several share
   * the subscriptions where the broker can; not every broker writes shared ones down (Mosquitto 2.0.11 does not).
   */
  readonly clients?: number;
  readonly maxPayloadBytes?: number;
}

/** A message that is neither stored nor failed by then: something hangs, and the broker should give it to us anew. */
const STORE_WITHIN_MS = 15_000;
/** After so many in a row, an older MQTT is tried: a broker that is just being started hangs up, too. */
const HANG_UPS = 3;

export function startBridge(deps: BridgeDeps, options: BridgeOptions): Running & HasHealth {
  const { ingest, registry, logger, metrics } = deps;
  const { url, rules, owner, clients = 1, maxPayloadBytes = 262_144 } = options;
  const broker = new URL(url).host;
  const stopping = new AbortController();
  const ready = new Set<number>();
  const ends = new Set<(reason: string) => void>();
  let isSharing = false;
  const running: Promise<void>[] = [];
  let trouble: string | undefined = "not connected yet";
  let isLost = false;
  let hasWarnedOfUnmatched = false;
  const counted = countersIn(metrics);

  const intake = createIntake({
    ingest,
    registry,
    rules,
    logger,
    maxPayloadBytes,
    onUnmatched(topic) {
      counted.unmatched.inc();
      if (hasWarnedOfUnmatched) return;
      hasWarnedOfUnmatched = true;
      logger.warn(
        { topic },
        "the outside broker sends a topic that no rule of the mapping knows: our session there may hold subscriptions of an earlier mapping",
      );
    },
  });

  /** One connection, until it ends. */
  function connectOnce(index: number, version: ProtocolVersion): Promise<ConnectionEnd> {
    return new Promise((resolve) => {
      const waiting = new Set<NodeJS.Timeout>();
      let isOver = false;
      const plain = [...new Set(rules.map(({ pattern }) => pattern.filter))];
      const shared = plain.map((filter) => `$share/fleetlog/${filter}`);
      const connection: BrokerConnection = connectBroker({
        url,
        clientId: `fleetlog-${owner}-${index}`,
        protocolVersion: version,
        filters(canShare) {
          if (canShare && clients > 1) return { wanted: shared, unwanted: plain };
          // Two connections with the same subscriptions would get everything twice.
          return index === 0 ? { wanted: plain, unwanted: canShare ? shared : [] } : { wanted: [], unwanted: [] };
        },
        onMessage({ topic, payload, retained, stored }) {
          if (retained) {
            stored();
            return;
          }
          const deadline = setTimeout(
            () => connection.end(`a message was not stored within ${STORE_WITHIN_MS} ms`),
            STORE_WITHIN_MS,
          );
          waiting.add(deadline);
          const give = (): void => {
            // It comes again by the next connection.
            if (isOver) return;
            intake.take(topic, payload, (failure) => {
              clearTimeout(deadline);
              waiting.delete(deadline);
              if (failure === undefined) stored();
              else connection.end(failure);
            });
          };
          // While there is no room, messages wait here, and with them, beyond the window, the broker.
          if (ingest.saturated || ingest.crowded) ingest.whenRoom(give);
          else give();
        },
        onReady(canShare) {
          if (index === 0 && canShare && clients > 1) share();
          ready.add(index);
          counted.connections.set(ready.size);
          trouble = undefined;
          if (isLost) logger.info({ broker }, "the outside broker is connected again");
          isLost = false;
        },
        onEnd(end) {
          isOver = true;
          for (const deadline of waiting) clearTimeout(deadline);
          ends.delete(connection.end);
          ready.delete(index);
          counted.connections.set(ready.size);
          if (!stopping.signal.aborted) lost(end.reason);
          resolve(end);
        },
      });
      ends.add(connection.end);
    });
  }

  function lost(reason: string): void {
    trouble = reason;
    counted.losses.inc();
    if (!isLost)
      logger.warn(
        { broker, reason },
        "the bridge has lost the outside broker; it keeps what it has, and is tried again",
      );
    isLost = true;
  }

  async function keepConnected(index: number): Promise<void> {
    const backoff = new Backoff({ initialMs: 250, maxMs: 10_000 });
    let version: ProtocolVersion = 5;
    let hungUp = 0;
    while (!stopping.signal.aborted) {
      const since = Date.now();
      const end = await connectOnce(index, version);
      hungUp = end.hungUp ? hungUp + 1 : 0;
      // A broker of MQTT 3.1.1 says so, or just hangs up. Who was let in is asked in MQTT 5 first the next time, too.
      const isTooNew: boolean = version === 5 && (end.versionRefused || hungUp >= HANG_UPS);
      version = isTooNew && index === 0 ? 4 : 5;
      if (Date.now() - since > 10_000) backoff.reset();
      await sleep(backoff.next(), undefined, { signal: stopping.signal }).catch(() => undefined);
      // Not before there is somewhere to store: the broker would deliver into the void again and again.
      if (!ingest.available && !stopping.signal.aborted) await roomOrStop();
    }
  }

  function roomOrStop(): Promise<void> {
    return new Promise((resolve) => {
      ingest.whenRoom(resolve);
      stopping.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** The first connection has found that subscriptions can be shared: here are the others. */
  function share(): void {
    if (isSharing) return;
    isSharing = true;
    for (let index = 1; index < clients; index += 1) running.push(keepConnected(index));
  }

  running.push(keepConnected(0));
  return {
    async stop() {
      stopping.abort();
      for (const end of ends) end("the bridge is stopping");
      await Promise.all(running);
    },
    health: (): readonly PartHealth[] => {
      const base = { name: "bridge" } as const;
      if (ready.size > 0) return [{ ...base, state: "up", detail: `${ready.size} connections to ${broker}` }];
      // Ours are not the only devices that may speak: the rest of the platform serves on.
      return [{ ...base, state: "degraded", detail: `${broker} is not connected: ${trouble ?? "unknown"}` }];
    },
  };
}

function countersIn(metrics: Metrics): {
  readonly connections: Gauge;
  readonly losses: Counter;
  readonly unmatched: Counter;
} {
  const registers = [metrics];
  return {
    connections: new Gauge({
      name: "fleetlog_bridge_connections",
      help: "Connections to the outside broker that are subscribed.",
      registers,
    }),
    losses: new Counter({
      name: "fleetlog_bridge_losses_total",
      help: "Connections to the outside broker that ended, whoever ended them.",
      registers,
    }),
    unmatched: new Counter({
      name: "fleetlog_bridge_unmatched_total",
      help: "Messages of the outside broker on topics that no rule of the mapping knows.",
      registers,
    }),
  };
}
