/**
 * The MQTT front door. A gateway, not a broker: devices talk to the platform and never to each other, so there is no
 * fan-out, there are no retained messages, and no sessions are kept.
 */
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FleetlogError, messageOf } from "../../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import type { DeviceAccess } from "../device-access.js";
import type { Ingest } from "../ingest.js";
import type { Registry } from "../registry.js";
import type { SeenDevice } from "../seen.js";
import { Connection } from "./connection.js";
import type { Shared } from "./connection.js";
import { presenceReason } from "./end-reason.js";
import type { EndReason } from "./end-reason.js";
import { reasons } from "./reasons.js";

export interface MqttGatewayDeps {
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
}

export interface MqttGatewayOptions {
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
  readonly maxPayloadBytes: number;
  /** Beyond it, new connections are closed at once. */
  readonly maxConnections: number;
  /** From the TCP connection to a CONNECT that is let in. */
  readonly connectTimeoutMs?: number;
  /** What `stop` waits for acknowledgements that are under way. */
  readonly drainMs?: number;
}

export interface MqttGateway extends Running, HasHealth {
  readonly port: number;
}

/** Topic, packet identifier and properties around a payload. */
const PACKET_OVERHEAD_BYTES = 1_024;
/** One device, or who has its key, may not take the places of all others. */
const MAX_PER_DEVICE = 32;
const SWEEP_MS = 1_000;
/** Lines between two sweeps: strangers may not fill the log. */
const MAX_REFUSALS_LOGGED = 10;
/** Every so many sweeps, each connected device's entry in the registry is looked at again. */
const RECHECK_SWEEPS = 10;

/** Throws FleetlogError UNAVAILABLE when the port cannot be listened on. */
export async function startMqttGateway(deps: MqttGatewayDeps, options: MqttGatewayOptions): Promise<MqttGateway> {
  const { ingest, registry, logger } = deps;
  const { host, port, maxPayloadBytes, maxConnections, connectTimeoutMs = 10_000, drainMs = 10_000 } = options;
  const connections = new Set<Connection>();
  const byDevice = new Map<string, Set<Connection>>();
  let dirty: Connection[] = [];
  let sweeps = 0;
  let turnedAway = 0;
  /** Since the last sweep. */
  let loginsRefused = 0;
  let stopping: Promise<void> | undefined;

  const shared: Shared = {
    ingest,
    registry,
    logger,
    maxPacketBytes: maxPayloadBytes + PACKET_OVERHEAD_BYTES,
    opened,
    loginRefused(who) {
      loginsRefused += 1;
      if (loginsRefused <= MAX_REFUSALS_LOGGED) logger.info(who, "refused an MQTT log-in");
    },
    closed,
    flushSoon(connection) {
      if (dirty.length === 0) queueMicrotask(flushDirty);
      if (dirty.at(-1) !== connection) dirty.push(connection);
    },
  };

  const server = createServer({ noDelay: true }, (socket) => {
    if (connections.size >= maxConnections || stopping !== undefined) {
      turnedAway += 1;
      ingest.counters.connectionClosed("too-many");
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    connections.add(new Connection(socket, shared));
  });
  await listen(server, host, port);
  const unsubscribe = registry.onChange((access) => {
    for (const connection of byDevice.get(keyOf(access)) ?? []) connection.refresh(access);
    const { tenantId, gateway } = access;
    if (gateway === undefined) return;
    for (const connection of byDevice.get(`${tenantId}/${gateway}`) ?? []) connection.childChanged(access);
  });
  const removeSource = ingest.seen.addSource(connectedDevices);
  const sweeper = setInterval(sweep, SWEEP_MS);
  sweeper.unref();
  const { port: chosen } = server.address() as AddressInfo;
  logger.info({ host, port: chosen }, "MQTT front door is open");

  function opened(connection: Connection): void {
    const { access } = connection;
    if (access === undefined) return;
    const key = keyOf(access);
    const others = byDevice.get(key) ?? new Set<Connection>();
    for (const other of others) {
      if (other.clientId !== connection.clientId) continue;
      other.close("taken-over", reasons.sessionTakenOver, "another connection has logged in with the same client id");
    }
    // The oldest goes: it is the likeliest to be one that the device has forgotten.
    const [oldest] = others;
    if (others.size >= MAX_PER_DEVICE && oldest !== undefined) {
      const message = `a device has at most ${MAX_PER_DEVICE} connections: the oldest is ended for a new one`;
      oldest.close("too-many-of-device", reasons.quotaExceeded, message);
    }
    others.add(connection);
    // Again, because the set leaves the map with its last connection.
    byDevice.set(key, others);
    ingest.counters.connections(1);
    ingest.presence(access, { online: true, at: Date.now(), session: connection.id });
  }

  function closed(connection: Connection, endReason: EndReason): void {
    connections.delete(connection);
    const { access } = connection;
    if (endReason !== "disconnected") ingest.counters.connectionClosed(endReason);
    if (access === undefined) return;
    const key = keyOf(access);
    const others = byDevice.get(key);
    others?.delete(connection);
    if (others?.size === 0) byDevice.delete(key);
    ingest.counters.connections(-1);
    // Our own end says nothing about the device: it will be back at once, here or at another gateway.
    if (stopping !== undefined) return;
    const reason = presenceReason(endReason);
    ingest.presence(access, { online: false, at: Date.now(), session: connection.id, reason });
  }

  function flushDirty(): void {
    const due = dirty;
    dirty = [];
    for (const connection of due) connection.flushAcks();
  }

  function* connectedDevices(): Iterable<SeenDevice> {
    for (const { access, lastHeardAt } of connections) {
      if (access !== undefined) yield [access.tenantId, access.deviceId, lastHeardAt];
    }
  }

  function sweep(): void {
    sweeps += 1;
    const now = Date.now();
    for (const connection of connections) {
      if (!connection.isOpen) {
        if (now - connection.openedAt > connectTimeoutMs) {
          connection.close("connect-timeout", reasons.protocolError, "no log-in within the time for it");
        }
      } else if (!connection.holds && isSilent(connection, now)) {
        connection.close(
          "keep-alive",
          reasons.keepAliveTimeout,
          "nothing was heard for one and a half keep-alive intervals",
        );
      } else if (sweeps % RECHECK_SWEEPS === 0) {
        recheck(connection);
      }
    }
    if (loginsRefused > MAX_REFUSALS_LOGGED) {
      logger.warn({ more: loginsRefused - MAX_REFUSALS_LOGGED }, "refused more MQTT log-ins than the log names");
    }
    loginsRefused = 0;
    if (turnedAway > 0) {
      logger.warn({ turnedAway, maxConnections }, "turned connections away: FLEETLOG_MAX_CONNECTIONS is reached");
      turnedAway = 0;
    }
  }

  /** Makes good a lost notification, and ends the connection when its credential has expired. */
  function recheck(connection: Connection): void {
    const { access } = connection;
    if (access !== undefined) connection.refresh(registry.peek(access.tenantId, access.deviceId) ?? access);
  }

  async function stop(): Promise<void> {
    clearInterval(sweeper);
    removeSource();
    unsubscribe();
    const isClosed = new Promise<void>((resolve, reject) => {
      server.close((error) => (error === undefined ? resolve() : reject(error)));
    });
    for (const connection of connections) connection.stopReading();
    await acknowledgementsSent();
    for (const connection of connections) {
      connection.close("shutting-down", reasons.serverShuttingDown, "the gateway is shutting down: connect again");
    }
    await isClosed;
  }

  async function acknowledgementsSent(): Promise<void> {
    const deadline = Date.now() + drainMs;
    while ([...connections].some((connection) => connection.unacknowledged > 0) && Date.now() < deadline)
      await sleep(10);
    flushDirty();
  }

  return {
    port: chosen,
    stop() {
      stopping ??= Promise.resolve().then(stop);
      return stopping;
    },
    health: (): readonly PartHealth[] => {
      if (stopping !== undefined) return [{ name: "mqtt", state: "down", detail: "stopping" }];
      const detail = `${connections.size} connections on port ${chosen}`;
      return [{ name: "mqtt", state: connections.size < maxConnections ? "up" : "degraded", detail }];
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new FleetlogError("UNAVAILABLE", `the MQTT door cannot listen on ${host}:${port}: ${messageOf(error)}`));
    });
    server.listen({ host, port, backlog: 1_024 }, resolve);
  });
}

function isSilent({ keepAlive, lastHeardAt }: Connection, now: number): boolean {
  return keepAlive > 0 && now - lastHeardAt > keepAlive * 1_500;
}

function keyOf({ tenantId, deviceId }: DeviceAccess): string {
  return `${tenantId}/${deviceId}`;
}
