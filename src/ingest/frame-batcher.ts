/** Gathers the readings of many messages into frames, so that they share one acknowledgement. */
import type { FleetlogError } from "../platform/errors.js";
import { subjects } from "../platform/subjects.js";
import type { IngestCounters } from "./counters.js";
import { encodeFrame, MAX_FRAME_READINGS } from "./frame.js";
import type { Published, Publisher } from "./publisher.js";
import type { Reading } from "./reading.js";

export interface FrameBatcher {
  /**
   * Takes the readings of one message; `bytes` is about what they will take in a frame. `done` is called when all of
   * them are stored, or with the first failure, in which case some may be stored. Order per batcher is kept.
   */
  add(readings: readonly Reading[], bytes: number, done: Published): void;
  /** Sends what is gathered, at once. */
  flush(): void;
}

export interface FrameBatcherOptions {
  readonly publisher: Publisher;
  readonly counters: IngestCounters;
  readonly partition: number;
  /** How long the first reading of a frame waits for others. */
  readonly lingerMs?: number;
  /** Well below NATS's default maximum of 1 MiB, because an estimate is all that is known before encoding. */
  readonly maxFrameBytes?: number;
}

/** The messages of a frame, each told once. */
interface Share {
  readonly readings: number;
  readonly done: Published;
}

export function createFrameBatcher(options: FrameBatcherOptions): FrameBatcher {
  const { publisher, counters, partition, lingerMs = 2, maxFrameBytes = 256 * 1024 } = options;
  const subject = subjects.frames(partition);
  let readings: Reading[] = [];
  let shares: Share[] = [];
  let bytes = 0;
  let openedAt = 0;
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    if (readings.length === 0) return;
    const frame = readings;
    const told = shares;
    const since = openedAt;
    readings = [];
    shares = [];
    bytes = 0;
    send(frame, (error) => {
      if (error === undefined) {
        counters.acknowledged((performance.now() - since) / 1_000);
        counters.stored(frame.length);
      }
      for (const share of told) share.done(error);
    });
  }

  /** Cuts in two what the server would refuse as too large: estimates can be wrong. */
  function send(frame: readonly Reading[], done: Published): void {
    const data = encodeFrame(frame);
    if (data.length <= publisher.maxPayload || frame.length === 1) {
      publisher.publish(subject, data, done);
      return;
    }
    const both = whenAll(2, done);
    const middle = Math.ceil(frame.length / 2);
    send(frame.slice(0, middle), both);
    send(frame.slice(middle), both);
  }

  function put(part: readonly Reading[], partBytes: number, done: Published): void {
    if (
      readings.length > 0 &&
      (readings.length + part.length > MAX_FRAME_READINGS || bytes + partBytes > maxFrameBytes)
    ) {
      flush();
    }
    if (readings.length === 0) {
      openedAt = performance.now();
      timer = setTimeout(flush, lingerMs);
    }
    for (const reading of part) readings.push(reading);
    bytes += partBytes;
    shares.push({ readings: part.length, done });
    if (readings.length >= MAX_FRAME_READINGS || bytes >= maxFrameBytes) flush();
  }

  return {
    flush,
    add(added, addedBytes, done) {
      if (added.length <= MAX_FRAME_READINGS) {
        put(added, addedBytes, done);
        return;
      }
      const parts = Math.ceil(added.length / MAX_FRAME_READINGS);
      const all = whenAll(parts, done);
      for (let from = 0; from < added.length; from += MAX_FRAME_READINGS) {
        put(added.slice(from, from + MAX_FRAME_READINGS), Math.ceil(addedBytes / parts), all);
      }
    },
  };
}

/** Calls `done` after `count` calls, with the first error among them. */
function whenAll(count: number, done: Published): Published {
  let left = count;
  let first: FleetlogError | undefined;
  return (error) => {
    first ??= error;
    left -= 1;
    if (left === 0) done(first);
  };
}
