/** Gathers the readings of many messages into frames, so that they share one acknowledgement. */
import type { FleetlogError } from "../platform/errors.js";
import { subjects } from "../platform/subjects.js";
import type { IngestCounters } from "./counters.js";
import { FrameEncoder, MAX_FRAME_READINGS } from "./frame.js";
import type { Published, Publisher } from "./publisher.js";
import type { Reading } from "./reading.js";

export interface FrameBatcher {
  /**
   * Takes the readings of one message, which may come to lie in several frames. `done` is called when all of them are
   * stored, or with the first failure, in which case some may be stored. Order per batcher is kept.
   */
  add(readings: readonly Reading[], done: Published): void;
  /** Sends what is gathered, at once. */
  flush(): void;
}

export interface FrameBatcherOptions {
  readonly publisher: Publisher;
  readonly counters: IngestCounters;
  readonly partition: number;
  /** How long the first reading of a frame waits for others. */
  readonly lingerMs?: number;
}

/**
 * A frame is sent before it passes this. One reading has at most 256 strings of 1,024 characters, so what is sent stays
 * below NATS's default maximum of 1 MiB for all but the oddest text; that is refused by NATS, and the device is told.
 */
const MAX_FRAME_BYTES = 256 * 1024;

export function createFrameBatcher(options: FrameBatcherOptions): FrameBatcher {
  const { publisher, counters, partition, lingerMs = 2 } = options;
  const subject = subjects.frames(partition);
  const encoder = new FrameEncoder();
  /** Of the messages that end in this frame, or have a part of them in it. */
  let waiting: Published[] = [];
  let openedAt = 0;
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const { readings } = encoder;
    if (readings === 0) return;
    const told = waiting;
    const since = openedAt;
    waiting = [];
    publisher.publish(subject, encoder.take(), (error) => {
      if (error === undefined) {
        counters.acknowledged((performance.now() - since) / 1_000);
        counters.stored(readings);
      }
      for (const done of told) done(error);
    });
  }

  function put(reading: Reading): void {
    if (encoder.readings === 0) {
      openedAt = performance.now();
      timer = setTimeout(flush, lingerMs);
    }
    encoder.add(reading);
  }

  function isFull(): boolean {
    return encoder.readings >= MAX_FRAME_READINGS || encoder.size >= MAX_FRAME_BYTES;
  }

  return {
    flush,
    add(readings, done) {
      const [first] = readings;
      if (readings.length === 1 && first !== undefined) {
        put(first);
        waiting.push(done);
        if (isFull()) flush();
        return;
      }
      const parts = new Countdown(done);
      for (const [index, reading] of readings.entries()) {
        put(reading);
        const isLast = index === readings.length - 1;
        if (!isFull() && !isLast) continue;
        waiting.push(parts.next(isLast));
        if (isFull()) flush();
      }
    },
  };
}

/** Calls `done` once, after the last of the parts, with the first error among them. */
class Countdown {
  #left = 0;
  #isComplete = false;
  #first: FleetlogError | undefined;
  readonly #done: Published;

  constructor(done: Published) {
    this.#done = done;
  }

  next(isLast: boolean): Published {
    this.#left += 1;
    this.#isComplete = isLast;
    return (error) => {
      this.#first ??= error;
      this.#left -= 1;
      if (this.#left === 0 && this.#isComplete) this.#done(this.#first);
    };
  }
}
