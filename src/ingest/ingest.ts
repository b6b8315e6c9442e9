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
import type { DeviceAccess } from "./registry/device-access.js";
import { decodeTelemetry } from "./codecs/decode.js";
import type { Format } from "./codecs/format.js";
import { createFrameBatcher } from "./frames/frame-batcher.js";
import type { Run } from "./frames/frame-batcher.js";
import { createLimits } from "./limits/limits.js";
import type { DefaultLimits, Limits } from "./limits/limits.js";
import { createUsage } from "./limits/usage.js";
import type { Usage } from "./limits/usage.js";
import { measureUsage } from "./limits/usage-metrics.js";
import { startUsageReport } from "./limits/usage-report.js";
import type { Measurement } from "./measurement.js";
import type { Reading } from "./reading.js";
import { createJudge } from "./pipeline/quality/quality.js";
import { readReport } from "./pipeline/reports.js";
import type { ReportKind } from "./pipeline/reports.js";
import { readTelemetry } from "./pipeline/telemetry.js";
import type { Refusal } from "./pipeline/refusal.js";
import { createConversions } from "./pipeline/units/convert.js";
import { createPlainPath } from "./plain/plain-path.js";
import { createPublisher } from "./jetstream/publisher.js";
import type { Published, Publisher } from "./jetstream/publisher.js";
import { createRejectionKeeper } from "./rejections/keeper.js";
import type { ReplayForm } from "./rejections/rejection.js";
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
  /** For a door that refuses by itself: how the message could be taken in again, once the cause is mended. */
  readonly form?: ReplayForm;
  /** Ms since the epoch, for a message that comes again, when it came first; now where it is not given. */
  readonly receivedAt?: number;
  /** A message that was refused and kept, once more. It counts as arrived when it first did, and is not kept again. */
  readonly replay?: { readonly receivedAt: number };
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

/** Under which names a refusal is kept: those of a device, or what a message claims, where that can be part of a subject. */
export interface RefusedName {
  readonly tenantId: string;
  readonly deviceId: string;
}

export interface Ingest extends Running, HasHealth {
  /** Takes a message of a device that may speak. `done` is called once, never before the storage's answer. */
  accept(topic: UpTopic, access: DeviceAccess, payload: Buffer, source: Source, done: Done): void;
  /**
   * The short way for a telemetry message in JSON, at `from` to `to`: true when it was taken, and then `run` is told of its
   * storing. False for whatever is not plain, or has to wait for a limit, of which nothing is counted yet: it goes the way
   * of `accept`. Asks the limits itself.
   */
  acceptPlain(door: Door, access: DeviceAccess, bytes: Buffer, from: number, to: number, run: Run): boolean;
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
  /** Takes in a reading that is past the pipeline already: one that InfluxDB refused, once more. */
  restore(reading: Reading, done: Done): void;
  /** Keeps a message that the door itself refuses. `done` is called once the refusal is stored. */
  refuse(device: RefusedName, refusal: Refusal, payload: Buffer, source: Source, done: Done): void;
  presence(device: DeviceName, presence: Presence): void;
  /** The doors should stop reading until `whenRoom` calls back. */
  readonly saturated: boolean;
  /** Others wait for room, too: a door that was called back takes a little, and asks again behind them. */
  readonly crowded: boolean;
  readonly available: boolean;
  /** Calls back in the order of asking. */
  whenRoom(listener: () => void): void;
  readonly counters: IngestCounters;
  readonly seen: Seen;
  /** For the doors to ask before they call `accept`, which asks nothing. */
  readonly limits: Limits;
  readonly usage: Usage;
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
  /** None when not given. */
  readonly limits?: DefaultLimits;
}

const ONE_STORED: Outcome = { kind: "stored", readings: 1 };

export function createIngest(options: IngestOptions): Ingest {
  const { nc, logger, metrics, maxReadingAgeMs, gatewayId = newId(), partitions = 1 } = options;
  const counters = createIngestCounters(metrics);
  const publisher = options.publisher ?? createPublisher({ nc, logger, counters });
  const usage = createUsage();
  const batchers = Array.from({ length: partitions }, (_, partition) =>
    createFrameBatcher({ publisher, counters, partition, stored: (tenantId, many) => usage.stored(tenantId, many) }),
  );
  const keeper = createRejectionKeeper({ publisher, onSampledOut: (count) => counters.sampledOut(count) });
  const seen = startSeen({ nc, gateway: gatewayId, isAvailable: () => publisher.available });
  const bounds = { maxAgeMs: maxReadingAgeMs, conversions: createConversions() };
  const judge = createJudge();
  const plain = createPlainPath(bounds);
  const limits = createLimits({ defaults: options.limits ?? {}, usage });
  const usageReport = startUsageReport({ usage, publisher, logger });
  measureUsage(usage, metrics);

  function telemetry(access: DeviceAccess, payload: Buffer, source: Source, done: Done): void {
    const measurements = decodeTelemetry(access, payload, source.format);
    if ("code" in measurements) refuse(access, measurements, payload, source, done, messageForm("telemetry", source));
    else take(access, measurements, payload, source, done, undefined);
  }

  function take(
    access: DeviceAccess,
    measurements: readonly Measurement[],
    payload: Buffer,
    source: Source,
    done: Done,
    /** How it is to be replayed, where not as the payload that it came in. */
    form: ReplayForm | undefined,
  ): void {
    const receivedAt = source.replay?.receivedAt ?? source.receivedAt ?? Date.now();
    const valid = readTelemetry(access, measurements, receivedAt, bounds);
    if ("code" in valid) {
      refuse(access, valid, payload, source, done, form ?? messageForm("telemetry", source));
      return;
    }
    const readings = judge(access, valid);
    const [only] = readings;
    if (form === undefined && readings.length === 1 && only !== undefined) {
      plain.learn(access, payload, source.format, only);
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
      refuse(access, read.refusal, payload, source, done, messageForm(reportTopics[kind], source));
      return;
    }
    const receivedAt = source.replay?.receivedAt ?? source.receivedAt ?? Date.now();
    const body = Buffer.from(JSON.stringify({ at: receivedAt, ...read.body }));
    publisher.publish(subjects.report(kind, access.tenantId, access.deviceId), body, (error) =>
      done(error === undefined ? ONE_STORED : { kind: "failed", error }),
    );
  }

  function refuse(
    device: RefusedName,
    why: Refusal,
    payload: Buffer,
    source: Source,
    done: Done,
    form: ReplayForm | undefined,
  ): void {
    if (source.replay !== undefined) {
      // It is in the ledger already, where the new reason will stand beside the old one.
      done({ kind: "refused", refusal: why });
      return;
    }
    const { tenantId, deviceId } = device;
    const { door, topic } = source;
    counters.rejected(door, why.code);
    usage.refused(tenantId);
    logger.debug({ tenantId, deviceId, door, code: why.code, reason: why.message }, "refused a message");
    keeper.keep(tenantId, deviceId, { door, why, topic, payload, at: Date.now(), form }, (error) =>
      done(error === undefined ? { kind: "refused", refusal: why } : { kind: "failed", error }),
    );
  }

  function arrived(source: Source, tenantId: string, bytes: number): void {
    if (source.replay !== undefined) return;
    counters.received(source.door);
    usage.received(tenantId, bytes);
  }

  return {
    accept(topic, access, payload, source, done) {
      arrived(source, access.tenantId, payload.length);
      switch (topic) {
        case "telemetry":
          return telemetry(access, payload, source, done);
        case "health":
          return report("health", access, payload, source, done);
        case "config/reported":
          return report("config", access, payload, source, done);
      }
    },
    acceptPlain(door, access, bytes, from, to, run) {
      const receivedAt = Date.now();
      const shape = plain.find(access, bytes, from, to, receivedAt);
      if (shape === undefined || !limits.tryTake(access, to - from)) return false;
      counters.received(door);
      usage.received(access.tenantId, to - from);
      const batcher = batcherOf(access);
      plain.write(access, shape, bytes, to - from, receivedAt, batcher.open);
      batcher.added(run, access.tenantId);
      return true;
    },
    acceptMeasurements(access, measurements, payload, source, done) {
      arrived(source, access.tenantId, payload.length);
      take(access, measurements, payload, source, done, { as: "measurements", measurements });
    },
    restore(reading, done) {
      batcherOf(reading).add([reading], (error) => done(error === undefined ? ONE_STORED : { kind: "failed", error }));
    },
    refuse(device, why, payload, source, done) {
      arrived(source, device.tenantId, payload.length);
      refuse(device, why, payload, source, done, source.form);
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
    get crowded() {
      return publisher.crowded;
    },
    get available() {
      return publisher.available;
    },
    whenRoom: (listener) => publisher.whenRoom(listener),
    counters,
    seen,
    limits,
    usage,
    async stop() {
      for (const batcher of batchers) batcher.flush();
      await keeper.stop();
      await seen.stop();
      await limits.stop();
      // The last readings count, too.
      await publisher.drained();
      await usageReport.stop();
      await publisher.stop();
    },
    health: () => publisher.health(),
  };
}

const reportTopics = { health: "health", config: "config/reported" } as const satisfies Record<ReportKind, UpTopic>;

function messageForm(topic: UpTopic, { form, format }: Source): ReplayForm {
  return form ?? (format === undefined ? { as: "message", topic } : { as: "message", topic, format });
}

/** FNV-1a. Part of the layout: frames of one device must stay in one partition. */
function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % partitions;
}
