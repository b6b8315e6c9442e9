/**
 * From JetStream into InfluxDB. A frame is acknowledged only after InfluxDB's answer on each of its readings; a reading
 * that InfluxDB refuses for good goes to FLEETLOG_REJECTIONS with the reason, and stands in nobody's way.
 */
import { Events } from "nats";
import type { NatsConnection } from "nats";
import type { Influx } from "../../engines/influx.js";
import { Backoff } from "../../platform/backoff.js";
import { messageOf } from "../../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { Counter, Gauge, Histogram } from "../../platform/metrics.js";
import type { Registry as Metrics } from "../../platform/metrics.js";
import { feedFrames } from "../frames/frame-feed.js";
import type { Frame } from "../frames/frame-feed.js";
import type { FrameView } from "../frames/frame.js";
import { ACK_WAIT_MS } from "../jetstream/streams.js";
import { keepDeadLetters } from "../rejections/dead-letters.js";
import type { DeadLetter } from "../rejections/dead-letters.js";
import { bodyOf } from "./body.js";
import { keepRemoving } from "./done-frames.js";
import { createInfluxStore } from "./influx-store.js";
import type { GuiltyLine, Lines } from "./influx-store.js";
import { unacknowledgedFrames } from "./unacknowledged.js";

export interface WriterDeps {
  readonly nc: NatsConnection;
  readonly influx: Influx;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface WriterOptions {
  /** A batch is written when it has so many lines, or so many bytes, or is so old. */
  readonly maxLines?: number;
  readonly maxBytes?: number;
  readonly maxAgeMs?: number;
}

/** One batch in flight while the next is gathered, and one more to cover the round trip. */
const MAX_WRITES = 2;
/** A third of the consumer's `ack_wait`: a batch that waits for InfluxDB is not delivered anew meanwhile. */
const WORKING_EVERY_MS = ACK_WAIT_MS / 3;

/** Holds the frames' bytes, and neither lines nor readings: ten thousand small objects that live on cost dearly. */
class Batch implements Lines {
  readonly frames: Frame[] = [];
  count = 0;
  bytes = 0;

  add(frame: Frame): void {
    this.frames.push(frame);
    this.count += frame.view.lines;
    this.bytes += frame.view.size;
  }

  body(): string {
    return bodyOf(this.frames.map(({ view }) => view));
  }

  each(): readonly string[] {
    return this.frames.flatMap(({ view }) => [...view.each()]);
  }

  /** What a line says, and its text; asked for the few that InfluxDB refuses. */
  line(index: number): ReturnType<FrameView["line"]> {
    let first = 0;
    for (const { view } of this.frames) {
      if (index < first + view.lines) return view.line(index - first);
      first += view.lines;
    }
    return undefined;
  }
}

export function startWriter(deps: WriterDeps, options: WriterOptions = {}): Running & HasHealth {
  const { nc, influx, logger, metrics } = deps;
  const { maxLines = 10_000, maxBytes = 8 * 1024 ** 2, maxAgeMs = 100 } = options;
  const store = createInfluxStore(influx);
  const counted = countersIn(metrics);
  const feed = feedFrames({ nc, consumer: "writer", logger });
  const stopping = new AbortController();
  const writes = new Set<Promise<void>>();
  let batch = new Batch();
  let timer: NodeJS.Timeout | undefined;
  let trouble: string | undefined;
  const removal = keepRemoving(nc, logger);
  const finished = run();

  async function run(): Promise<void> {
    await recover();
    void recoverAfterReconnecting();
    for await (const frame of feed.frames) {
      counted.pending.set(feed.pending);
      await take(frame);
    }
    flush();
    await Promise.all(writes);
  }

  async function take(frame: Frame): Promise<void> {
    batch.add(frame);
    if (batch.count >= maxLines || batch.bytes >= maxBytes) flush();
    else timer ??= setTimeout(flush, maxAgeMs);
    // The frames stay in JetStream meanwhile: a slow InfluxDB costs disk there, not memory here.
    while (writes.size >= MAX_WRITES) await Promise.race(writes);
  }

  /**
   * Writes what was given to a writer and never acknowledged: JetStream may have forgotten that it owes it. Before anything
   * newer is acknowledged, because the consumer's place moves past it then. What is written twice lands on itself.
   */
  async function recover(): Promise<void> {
    const backoff = new Backoff({ initialMs: 100, maxMs: 5_000 });
    while (!stopping.signal.aborted) {
      try {
        let frames = 0;
        for await (const frame of unacknowledgedFrames(nc, "writer", logger)) {
          if (stopping.signal.aborted) return;
          frames += 1;
          await take(frame);
        }
        flush();
        await Promise.all(writes);
        if (frames > 0) logger.info({ frames }, "wrote the frames that a writer had been given and not acknowledged");
        return;
      } catch (error) {
        if (nc.isClosed()) return;
        logger.warn({ error: messageOf(error) }, "what is unacknowledged cannot be asked for; trying again");
        await backoff.wait(stopping.signal).catch(() => {});
      }
    }
  }

  /** The server may have been killed and have lost what was on its way here. Ends with the connection. */
  async function recoverAfterReconnecting(): Promise<void> {
    for await (const { type } of nc.status()) {
      if (stopping.signal.aborted) return;
      if (type === Events.Reconnect) await recover();
    }
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (batch.frames.length === 0) return;
    const full = batch;
    batch = new Batch();
    const write = writeUntilAnswered(full).finally(() => writes.delete(write));
    writes.add(write);
  }

  /** Never rejects. Returns without acknowledging only when asked to stop while InfluxDB is away. */
  async function writeUntilAnswered(full: Batch): Promise<void> {
    const backoff = new Backoff({ initialMs: 100, maxMs: 5_000 });
    const working = setInterval(() => {
      for (const { message } of full.frames) message.working();
    }, WORKING_EVERY_MS);
    try {
      for (;;) {
        const failure = await attempt(full);
        if (failure === undefined) return;
        if (backoff.failures === 0)
          logger.warn({ error: failure, lines: full.count }, "InfluxDB does not take a batch; trying again");
        trouble = failure;
        counted.failures.inc();
        if (stopping.signal.aborted) break;
        await backoff.wait(stopping.signal).catch(() => {});
      }
      // Given back at once, so that the next writer need not wait for `ack_wait`.
      if (!nc.isClosed()) for (const { message } of full.frames) message.nak();
    } finally {
      clearInterval(working);
    }
  }

  /** What went wrong, or `undefined` when every frame is acknowledged. */
  async function attempt(full: Batch): Promise<string | undefined> {
    const since = performance.now();
    try {
      const guilty = await store.write(full);
      await deadLetter(full, guilty);
      for (const { message } of full.frames) message.ack();
      counted.written.inc(full.count - guilty.length);
      counted.seconds.observe((performance.now() - since) / 1_000);
      if (trouble !== undefined) logger.info({ lines: full.count }, "InfluxDB takes batches again");
      trouble = undefined;
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  async function deadLetter(full: Batch, guilty: readonly GuiltyLine[]): Promise<void> {
    const letters: DeadLetter[] = [];
    for (const { index, reason } of guilty) {
      const line = full.line(index);
      if (line !== undefined) letters.push({ reading: line.reading, line: line.text, reason });
    }
    const [first] = letters;
    if (first === undefined) return;
    await keepDeadLetters(nc, letters);
    counted.rejected.inc(letters.length);
    const { tenantId, deviceId } = first.reading;
    logger.warn(
      { readings: letters.length, tenantId, deviceId, reason: first.reason },
      "InfluxDB refused readings for good; they are in the rejections, the first of them is named here",
    );
  }

  return {
    async stop() {
      feed.stop();
      stopping.abort();
      await removal.stop();
      await finished;
    },
    health: (): readonly PartHealth[] => {
      const base = { name: "writer", lag: feed.pending, lagUnit: "messages" as const };
      if (trouble === undefined) return [{ ...base, state: "up" }];
      return [
        { ...base, state: "degraded", detail: `JetStream holds the readings, because InfluxDB says: ${trouble}` },
      ];
    },
  };
}

function countersIn(metrics: Metrics): {
  readonly written: Counter;
  readonly rejected: Counter;
  readonly failures: Counter;
  readonly seconds: Histogram;
  readonly pending: Gauge;
} {
  const registers = [metrics];
  return {
    written: new Counter({ name: "fleetlog_written_total", help: "Readings that InfluxDB has taken.", registers }),
    rejected: new Counter({
      name: "fleetlog_write_rejected_total",
      help: "Readings that InfluxDB refused for good.",
      registers,
    }),
    failures: new Counter({
      name: "fleetlog_write_failures_total",
      help: "Batches that InfluxDB did not answer well.",
      registers,
    }),
    seconds: new Histogram({
      name: "fleetlog_write_seconds",
      help: "From a batch's first byte to InfluxDB's answer.",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    pending: new Gauge({
      name: "fleetlog_writer_pending_frames",
      help: "Frames in JetStream that the writer has not had yet.",
      registers,
    }),
  };
}
