/**
 * What all doors of a process share: a message comes in from a device that may speak, and is stored or refused, durably
 * either way, before `done` is called. The doors know their protocols; nothing here does.
 */
import type { NatsConnection } from "nats";
import { newId } from "../platform/ids.js";
import type { FleetlogError } from "../platform/errors.js";
import type { HasHealth, Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import type { Registry as Metrics } from "../platform/metrics.js";
import { subjects } from "../platform/subjects.js";
import { createIngestCounters } from "./counters.js";
import type { Door, IngestCounters } from "./counters.js";
import type { DeviceAccess } from "./device-access.js";
import { decodeTelemetry } from "./codecs/decode.js";
import type { Format } from "./codecs/format.js";
import { createFrameBatcher } from "./frame-batcher.js";
import type { Measurement } from "./measurement.js";
import { readReport } from "./pipeline/reports.js";
import type { ReportKind } from "./pipeline/reports.js";
import { readTelemetry } from "./pipeline/telemetry.js";
import type { Refusal } from "./pipeline/refusal.js";
import { createPublisher } from "./publisher.js";
import type { Published, Publisher } from "./publisher.js";
import { encodeRejection } from "./rejection.js";
import { startSeen } from "./seen.js";
import type { Seen } from "./seen.js";
import type { UpTopic } from "./topics.js";

/** What became of a message. Only `stored` and `refused` are final; after `failed` the device should send it again. */
export type Outcome =
  | { readonly kind: "stored"; readonly readings: number }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "failed"; readonly error: FleetlogError };

export type Done = (outcome: Outcome) => void;

/** Where a message came in. */
export interface Source {
  readonly door: Door;
  /** The MQTT topic, the HTTP path or the NATS subject. */
  readonly topic: string;
  /** What the message says of its form, by content type or topic; see codecs/decode.ts. */
  readonly format?: Format;
}

/** A connection's beginning or end, as the stream FLEETLOG_REPORTS keeps it under `presence` (JSON). */
export interface Presence {
  readonly online: boolean;
  /** Ms since the epoch. */
  readonly at: number;
  /** The same for the beginning and the end of one connection. */
  readonly session: string;
  readonly reason?: "disconnected" | "connection-lost";
}

type DeviceName = Pick<DeviceAccess, "tenantId" | "deviceId">;

export interface Ingest extends Running, HasHealth {
  /** Takes a message of a device that may speak. `done` is called once, never before the storage's answer. */
  accept(topic: UpTopic, access: DeviceAccess, payload: Buffer, source: Source, done: Done): void;
  /**
   * Takes reading sets that are decoded already: the share of one device in a message that speaks of several. `payload`
   * is what a refusal keeps.
   */
  acceptMeasurements(
    access: DeviceAccess,
    measurements: readonly Measurement[],
    payload: Buffer,
    source: Source,
    done: Done,
  ): void;
  /** Keeps a message that the door itself refuses. `done` is called once the refusal is stored. */
  refuse(device: DeviceName, refusal: Refusal, payload: Buffer, source: Source, done: Done): void;
  presence(device: DeviceName, presence: Presence): void;
  /** The doors should stop reading until `whenRoom` calls back. */
  readonly saturated: boolean;
  readonly available: boolean;
  whenRoom(listener: () => void): void;
  readonly counters: IngestCounters;
  readonly seen: Seen;
}

export interface IngestOptions {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How old a reading's timestamp may be, ms. */
  readonly maxReadingAgeMs: number;
  /** Names this process in the messages on who was seen. */
  readonly gatewayId?: string;
  /** Frames are spread over so many subjects by device. */
  readonly partitions?: number;
  readonly publisher?: Publisher;
}

const ONE_STORED: Outcome = { kind: "stored", readings: 1 };

export function createIngest(options: IngestOptions): Ingest {
  const { nc, logger, metrics, maxReadingAgeMs, gatewayId = newId(), partitions = 1 } = options;
  const counters = createIngestCounters(metrics);
  const publisher = options.publisher ?? createPublisher({ nc, logger, counters });
  const batchers = Array.from({ length: partitions }, (_, partition) =>
    createFrameBatcher({ publisher, counters, partition }),
  );
  const seen = startSeen({ nc, gateway: gatewayId, isAvailable: () => publisher.available });
  const limits = { maxAgeMs: maxReadingAgeMs };

  function telemetry(access: DeviceAccess, payload: Buffer, source: Source, done: Done): void {
    const measurements = decodeTelemetry(access, payload, source.format);
    if ("code" in measurements) {
      refuse(access, measurements, payload, source, done);
      return;
    }
    take(access, measurements, payload, source, done);
  }

  function take(
    access: DeviceAccess,
    measurements: readonly Measurement[],
    payload: Buffer,
    source: Source,
    done: Done,
  ): void {
    const readings = readTelemetry(access, measurements, Date.now(), limits);
    if ("code" in readings) {
      refuse(access, readings, payload, source, done);
      return;
    }
    const count = readings.length;
    batcherOf(access).add(readings, (error) => {
      if (error !== undefined) done({ kind: "failed", error });
      else done(count === 1 ? ONE_STORED : { kind: "stored", readings: count });
    });
  }

  function batcherOf({ tenantId, deviceId }: DeviceName): (typeof batchers)[number] {
    const batcher = batchers[partitions === 1 ? 0 : partitionOf(`${tenantId}/${deviceId}`, partitions)];
    if (batcher === undefined) throw new Error(`there is no partition for ${tenantId}/${deviceId} among ${partitions}`);
    return batcher;
  }

  function report(kind: ReportKind, access: DeviceAccess, payload: Buffer, source: Source, done: Done): void {
    const read = readReport(kind, payload);
    if (!read.ok) {
      refuse(access, read.refusal, payload, source, done);
      return;
    }
    const body = Buffer.from(JSON.stringify({ at: Date.now(), ...read.body }));
    publisher.publish(subjects.report(kind, access.tenantId, access.deviceId), body, (error) =>
      done(error === undefined ? ONE_STORED : { kind: "failed", error }),
    );
  }

  function refuse(device: DeviceName, why: Refusal, payload: Buffer, source: Source, done: Done): void {
    counters.rejected(source.door, why.code);
    const { tenantId, deviceId } = device;
    logger.debug({ tenantId, deviceId, door: source.door, code: why.code, reason: why.message }, "refused a message");
    const kept = encodeRejection(source.door, why, source.topic, payload, Date.now());
    publisher.publish(subjects.rejection(tenantId, deviceId), kept, (error) =>
      done(error === undefined ? { kind: "refused", refusal: why } : { kind: "failed", error }),
    );
  }

  return {
    accept(topic, access, payload, source, done) {
      counters.received(source.door);
      switch (topic) {
        case "telemetry":
          return telemetry(access, payload, source, done);
        case "health":
          return report("health", access, payload, source, done);
        case "config/reported":
          return report("config", access, payload, source, done);
      }
    },
    acceptMeasurements(access, measurements, payload, source, done) {
      counters.received(source.door);
      take(access, measurements, payload, source, done);
    },
    refuse(device, why, payload, source, done) {
      counters.received(source.door);
      refuse(device, why, payload, source, done);
    },
    presence({ tenantId, deviceId }, presence) {
      const told: Published = (error) => {
        if (error === undefined) return;
        // Not fatal: whoever is online is told of on `subjects.seen` every few seconds, too.
        logger.warn({ tenantId, deviceId, online: presence.online, error: error.message }, "could not report presence");
      };
      publisher.publish(subjects.report("presence", tenantId, deviceId), Buffer.from(JSON.stringify(presence)), told);
    },
    get saturated() {
      return publisher.saturated;
    },
    get available() {
      return publisher.available;
    },
    whenRoom: (listener) => publisher.whenRoom(listener),
    counters,
    seen,
    async stop() {
      for (const batcher of batchers) batcher.flush();
      await seen.stop();
      await publisher.stop();
    },
    health: () => publisher.health(),
  };
}

/** FNV-1a. Part of the layout: frames of one device must stay in one partition. */
function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % partitions;
}
