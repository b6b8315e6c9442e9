/** The streams that ingest fills, created before anything is published: a frame must find its consumers waiting. */
import { AckPolicy, DiscardPolicy, NatsError, nanos, RetentionPolicy, StorageType } from "nats";
import type { ConsumerConfig, JetStreamManager, NatsConnection, StreamConfig } from "nats";
import { lateConsumer, reportConsumer, streams, subjects, usageConsumer } from "../../platform/subjects.js";

/** The durable consumers of FLEETLOG_FRAMES. A frame is removed when all of them have acknowledged it. */
export const frameConsumers = ["writer", "processor", "relay", "rollup"] as const;
export type FrameConsumer = (typeof frameConsumers)[number];

export interface StreamBounds {
  /** When the frames fill it, devices are held back (QoS 1 is not acknowledged) until a consumer has made room. */
  readonly framesBytes?: number;
  readonly reportsBytes?: number;
  /** When the rejections fill it, the oldest go. */
  readonly rejectionsBytes?: number;
  /** When the MQTT sessions fill it, the oldest go. */
  readonly sessionsBytes?: number;
  readonly lateBytes?: number;
}

/** Of every consumer here, ms. */
export const ACK_WAIT_MS = 20_000;

const GIB = 1024 ** 3;
const STREAM_IN_USE = 10058;
const STREAM_NOT_FOUND = 10059;

/** Idempotent; existing streams and consumers keep their messages and get the settings of this version. */
export async function ensureIngestStreams(nc: NatsConnection, bounds: StreamBounds = {}): Promise<void> {
  const {
    framesBytes = 8 * GIB,
    reportsBytes = GIB,
    rejectionsBytes = GIB,
    sessionsBytes = GIB / 2,
    lateBytes = GIB,
  } = bounds;
  const manager = await nc.jetstreamManager();
  // The number of replicas is the operator's to choose, and is left as it is.
  const common = { storage: StorageType.File };
  await ensureStream(manager, {
    ...common,
    name: streams.frames,
    subjects: ["fleetlog-frames.>"],
    // Kept until every consumer is done (writer/done-frames.ts removes them, and says why JetStream does not).
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_bytes: framesBytes,
  });
  for (const consumer of frameConsumers) {
    await manager.consumers.add(streams.frames, durable(consumer, 4_096));
  }
  await ensureStream(manager, {
    ...common,
    name: streams.reports,
    subjects: ["fleetlog-reports.>"],
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    max_bytes: reportsBytes,
  });
  // Each device that has gone waits here, unacknowledged, until its grace time is over: a whole site may go at once.
  await manager.consumers.add(streams.reports, durable(reportConsumer, 100_000));
  await ensureStream(manager, {
    ...common,
    name: streams.lateWindows,
    subjects: ["fleetlog-late.>"],
    retention: RetentionPolicy.Workqueue,
    // When the corrections fall so far behind, frames wait for room here.
    discard: DiscardPolicy.New,
    max_bytes: lateBytes,
  });
  await manager.consumers.add(streams.lateWindows, { ...durable(lateConsumer, 1_000), ack_wait: nanos(120_000) });
  await ensureStream(manager, {
    ...common,
    name: streams.rejections,
    subjects: ["fleetlog-rejections.>"],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_msgs_per_subject: 10_000,
    max_age: nanos(30 * 24 * 3_600_000),
    max_bytes: rejectionsBytes,
  });
  await ensureStream(manager, {
    ...common,
    name: streams.usage,
    subjects: [subjects.usage],
    retention: RetentionPolicy.Workqueue,
    // The newest totals say all that the oldest said of the same hour.
    discard: DiscardPolicy.Old,
    max_bytes: 64 * 1024 ** 2,
  });
  await manager.consumers.add(streams.usage, durable(usageConsumer, 100));
  await ensureStream(manager, {
    ...common,
    name: streams.sessions,
    subjects: ["fleetlog-sessions.>"],
    retention: RetentionPolicy.Limits,
    // When the sessions fill it, those that were written longest ago go; their clients are told that there is none.
    discard: DiscardPolicy.Old,
    max_msgs_per_subject: 1,
    // A day more than a session may be kept for.
    max_age: nanos(31 * 24 * 3_600_000),
    max_bytes: sessionsBytes,
  });
}

/** After `ack_wait` without a word, what a killed consumer held is delivered to the next. Who needs longer says "working" in time. */
function durable(name: string, maxAckPending: number): Partial<ConsumerConfig> {
  return {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: maxAckPending,
    max_deliver: -1,
  };
}

async function ensureStream(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { readonly name: string },
): Promise<void> {
  try {
    const { config: current } = await manager.streams.info(config.name);
    if (config.retention !== undefined && config.retention !== current.retention) {
      await replace(manager, config);
      return;
    }
    const differs = Object.entries(config).some(
      ([key, value]) => JSON.stringify(current[key as keyof StreamConfig]) !== JSON.stringify(value),
    );
    if (differs) await manager.streams.update(config.name, config);
  } catch (error) {
    if (!hasCode(error, STREAM_NOT_FOUND)) throw error;
    try {
      await manager.streams.add(config);
    } catch (failure) {
      // Another process made it in the meantime.
      if (!hasCode(failure, STREAM_IN_USE)) throw failure;
    }
  }
}

/** A stream's retention cannot be changed. One of an earlier version that still holds something stays, until a start finds it empty. */
async function replace(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { readonly name: string },
): Promise<void> {
  const { state } = await manager.streams.info(config.name);
  if (state.messages > 0) return;
  await manager.streams.delete(config.name);
  await manager.streams.add(config);
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof NatsError && error.api_error?.err_code === code;
}
