/**
 * The MQTT front door, without the ways in: TCP, TLS and WebSocket hand their connections over here. A gateway, not a
 * broker: devices talk to the platform and never to each other, so there is no fan-out and there are no retained messages.
 */
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "nats";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import { Limiter } from "../../platform/limiter.js";
import type { Logger } from "../../platform/logger.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest } from "../ingest.js";
import type { Registry } from "../registry/registry.js";
import type { SeenDevice } from "../seen.js";
import { Connection } from "./connection.js";
import type { Shared } from "./connection.js";
import { presenceReason } from "./end-reason.js";
import type { EndReason } from "./end-reason.js";
import { announceLogins } from "./logins.js";
import { reasons } from "./reasons.js";
import { createSessionStore } from "./session-store.js";
import { sessionKey } from "./session-record.js";
import { createPendingWills } from "./wills.js";

export interface MqttDoorDeps {
  readonly nc: NatsConnection;
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
}

export interface MqttDoorOptions {
  /** In /readyz; "mqtt" when not given. */
  readonly name?: string;
  readonly maxPayloadBytes: number;
  /** Beyond it, new connections are closed at once. Half of them may be such as have not logged in. */
  readonly maxConnections: number;
  /** From the connection to a CONNECT that is let in. */
  readonly connectTimeoutMs?: number;
  /** What `stop` waits for acknowledgements that are under way. */
  readonly drainMs?: number;
  /** The longest that a session is kept without a connection. */
  readonly maxSessionExpirySeconds?: number;
}

export interface MqttDoor extends Running, HasHealth {
  /** Takes a connection over; `address` is where it comes from. It is closed at once when there are too many. */
  adopt(wire: Duplex, address: string | undefined): void;
  /** The largest packet taken, bytes. */
  readonly maxPacketBytes: number;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
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
/** Log-ins looked up in the registry at one time; the others wait in their connections. */
const MAX_LOOKUPS = 128;
const WEEK_SECONDS = 604_800;

export async function createMqttDoor(deps: MqttDoorDeps, options: MqttDoorOptions): Promise<MqttDoor> {
  const { nc, ingest, registry, logger } = deps;
  const { name = "mqtt", maxPayloadBytes, maxConnections, connectTimeoutMs = 10_000, drainMs = 10_000 } = options;
  const connections = new Set<Connection>();
  /** Those that have not logged in, the oldest first. */
  const strangers = new Set<Connection>();
  const maxStrangers = Math.max(1, Math.floor(maxConnections / 2));
  const byDevice = new Map<string, Set<Connection>>();
  /** What is still being kept of sessions whose connections have ended. */
  const settling = new Set<Promise<void>>();
  const wills = createPendingWills();
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
    wills,
    sessions: await createSessionStore(nc, logger),
    lookups: new Limiter(MAX_LOOKUPS, maxConnections),
    maxExpirySeconds: options.maxSessionExpirySeconds ?? WEEK_SECONDS,
    maxPacketBytes: maxPayloadBytes + PACKET_OVERHEAD_BYTES,
    takeOver(access, clientId, successor) {
      takeOverHere(keyOf(access), clientId, successor);
    },
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

  const unsubscribe = registry.onChange((access) => {
    for (const connection of byDevice.get(keyOf(access)) ?? []) connection.refresh(access);
    const { tenantId, gateway } = access;
    if (gateway === undefined) return;
    for (const connection of byDevice.get(`${tenantId}/${gateway}`) ?? []) connection.childChanged(access);
  });
  const logins = announceLogins(nc, logger, ({ tenantId, deviceId, clientId, connection, clean }) => {
    // Of two that log in at the same moment, the one that sees the newer goes, and the other stays.
    takeOverHere(`${tenantId}/${deviceId}`, clientId, { clean }, connection);
    wills.cancel(sessionKey({ tenantId, deviceId }, clientId));
  });
  const removeSource = ingest.seen.addSource(connectedDevices);
  const sweeper = setInterval(sweep, SWEEP_MS);
  sweeper.unref();

  function adopt(wire: Duplex, address: string | undefined): void {
    if (connections.size >= maxConnections || stopping !== undefined) {
      turnedAway += 1;
      ingest.counters.connectionClosed("too-many");
      wire.on("error", () => {});
      wire.destroy();
      return;
    }
    const [oldest] = strangers;
    if (strangers.size >= maxStrangers && oldest !== undefined) {
      const message = "too many connections wait for their log-in: this was the oldest";
      oldest.close("too-many-waiting", reasons.serverUnavailable, message);
    }
    const connection = new Connection(wire, address, shared);
    connections.add(connection);
    strangers.add(connection);
  }

  function takeOverHere(
    key: string,
    clientId: string,
    successor: { readonly clean: boolean },
    /** Only those that are older than this connection. */
    by?: string,
  ): void {
    for (const other of byDevice.get(key) ?? []) {
      if (other.clientId === clientId && (by === undefined || other.id < by)) other.takenOver(successor);
    }
  }

  function opened(connection: Connection, clean: boolean): void {
    strangers.delete(connection);
    const { access } = connection;
    if (access === undefined) return;
    const key = keyOf(access);
    takeOverHere(key, connection.clientId, { clean });
    const others = byDevice.get(key) ?? new Set<Connection>();
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
    const { tenantId, deviceId } = access;
    logins.announce({ tenantId, deviceId, clientId: connection.clientId, connection: connection.id, clean });
  }

  function closed(connection: Connection, endReason: EndReason): void {
    connections.delete(connection);
    strangers.delete(connection);
    const { access } = connection;
    if (endReason !== "disconnected") ingest.counters.connectionClosed(endReason);
    if (access === undefined) return;
    const key = keyOf(access);
    const others = byDevice.get(key);
    others?.delete(connection);
    if (others?.size === 0) byDevice.delete(key);
    ingest.counters.connections(-1);
    // Its session is ended right after this.
    queueMicrotask(() => {
      const settled = connection.settled;
      settling.add(settled);
      void settled.finally(() => settling.delete(settled));
    });
    // Else a connection that comes and goes between two rounds is never named.
    ingest.seen.heard(access.tenantId, access.deviceId, connection.lastHeardAt);
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
    logins.stop();
    wills.stop();
    for (const connection of connections) connection.stopReading();
    await acknowledgementsSent();
    for (const connection of connections) {
      connection.close("shutting-down", reasons.serverShuttingDown, "the gateway is shutting down: connect again");
    }
    await Promise.resolve();
    await Promise.race([Promise.allSettled(settling), sleep(drainMs, undefined, { ref: false })]);
  }

  async function acknowledgementsSent(): Promise<void> {
    const deadline = Date.now() + drainMs;
    while ([...connections].some((connection) => connection.unacknowledged > 0) && Date.now() < deadline)
      await sleep(10);
    flushDirty();
  }

  return {
    adopt,
    maxPacketBytes: shared.maxPacketBytes,
    maxConnections,
    connectTimeoutMs,
    stop() {
      stopping ??= Promise.resolve().then(stop);
      return stopping;
    },
    health: (): readonly PartHealth[] => {
      if (stopping !== undefined) return [{ name, state: "down", detail: "stopping" }];
      const detail = `${connections.size} connections`;
      return [{ name, state: connections.size < maxConnections ? "up" : "degraded", detail }];
    },
  };
}

function isSilent({ keepAlive, lastHeardAt }: Connection, now: number): boolean {
  return keepAlive > 0 && now - lastHeardAt > keepAlive * 1_500;
}

function keyOf({ tenantId, deviceId }: DeviceAccess): string {
  return `${tenantId}/${deviceId}`;
}
