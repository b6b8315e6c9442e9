/** Gathers the readings of many messages into frames, so that they share one acknowledgement. */
import type { FleetlogError } from "../../platform/errors.js";
import { subjects } from "../../platform/subjects.js";
import type { IngestCounters } from "../counters.js";
import { FrameEncoder, MAX_FRAME_READINGS } from "./frame.js";
import type { Published, Publisher } from "../jetstream/publisher.js";
import type { Reading } from "../reading.js";

export interface FrameBatcher {
  /**
   * Takes the readings of one message, which may come to lie in several frames. `done` is called when all of them are
   * stored, or with the first failure, in which case some may be stored. Order per batcher is kept.
   */
  add(readings: readonly Reading[], done: Published): void;
  /** The frame that is being filled, for a line that is written into it in place; `added` follows at once. */
  readonly open: FrameEncoder;
  /** One line of the tenant was committed to the open frame; `run` is told of its place. Order is kept with `add`. */
  added(run: Run, tenantId: string): void;
  /** Sends what is gathered, at once. */
  flush(): void;
}

/** Lines of one sender that lie in one frame and are answered once, together. */
export interface Run {
  /** The frame that its last line is in; kept by the batcher. */
  frame: number;
  /** Whether the next line may be answered with those before it, if it comes to lie in the same frame. */
  readonly isOpen: boolean;
  /** A line begins a new run; the answer is called once for all its lines. */
  begin(): Published;
}

export interface FrameBatcherOptions {
  readonly publisher: Publisher;
  readonly counters: IngestCounters;
  readonly partition: number;
  /** How long the first reading of a frame waits for others. */
  readonly lingerMs?: number;
  /** Told of each frame that JetStream has: how many of its readings are whose. */
  readonly stored?: (tenantId: string, readings: number) => void;
}

/**
 * While so many frames are on their way, the next one is not sent for its age alone: it fills up until one is answered.
 * So frames are small when there is little to do, and the busier JetStream is, the more share an acknowledgement.
 */
const FRAMES_ABREAST = 1;
/** A frame that had so many readings is followed by one that waits longer: each costs its four readers as much as dozens of readings. */
const BUSY_READINGS = 64;
const BUSY_LINGER_MS = 5;

/**
 * A frame is sent before it passes this. One reading has at most 256 strings of 1,024 characters, so what is sent stays
 * below NATS's default maximum of 1 MiB for all but the oddest text; that is refused by NATS, and the device is told.
 */
const MAX_FRAME_BYTES = 256 * 1024;

export function createFrameBatcher(options: FrameBatcherOptions): FrameBatcher {
  const { publisher, counters, partition, lingerMs = 2, stored } = options;
  const subject = subjects.frames(partition);
  const encoder = new FrameEncoder();
  /** Of the messages that end in this frame, or have a part of them in it. */
  let waiting: Published[] = [];
  /** Whose readings the frame holds, as runs: tenant, count, tenant, count … A tenant may come again. */
  let tenants: string[] = [];
  let counts: number[] = [];
  let openedAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let number = 0;
  let inFlight = 0;
  /** The open frame is old enough, and waits for one before it. */
  let isDue = false;
  let isBusy = false;

  function flushDue(): void {
    if (inFlight < FRAMES_ABREAST) flush();
    else isDue = true;
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    isDue = false;
    const { readings } = encoder;
    if (readings === 0) return;
    isBusy = readings >= BUSY_READINGS;
    number += 1;
    inFlight += 1;
    const told = waiting;
    const since = openedAt;
    const [whose, many] = [tenants, counts];
    waiting = [];
    tenants = [];
    counts = [];
    publisher.publish(subject, encoder.take(), (error) => {
      if (error === undefined) {
        counters.acknowledged((performance.now() - since) / 1_000);
        counters.stored(readings);
        if (stored !== undefined) for (const [index, tenantId] of whose.entries()) stored(tenantId, many[index] ?? 0);
      }
      inFlight -= 1;
      for (const done of told) done(error);
      if (isDue) flush();
    });
  }

  function begin(): void {
    openedAt = performance.now();
    timer = setTimeout(flushDue, isBusy ? Math.max(lingerMs, BUSY_LINGER_MS) : lingerMs);
  }

  function count(tenantId: string): void {
    const last = tenants.length - 1;
    if (last >= 0 && tenants[last] === tenantId) counts[last] = (counts[last] ?? 0) + 1;
    else {
      tenants.push(tenantId);
      counts.push(1);
    }
  }

  function put(reading: Reading): void {
    if (encoder.readings === 0) begin();
    encoder.add(reading);
    count(reading.tenantId);
  }

  function isFull(): boolean {
    return encoder.readings >= MAX_FRAME_READINGS || encoder.size >= MAX_FRAME_BYTES;
  }

  return {
    flush,
    open: encoder,
    added(run, tenantId) {
      if (encoder.readings === 1) begin();
      count(tenantId);
      if (run.frame !== number || !run.isOpen) {
        run.frame = number;
        waiting.push(run.begin());
      }
      if (isFull()) flush();
    },
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
