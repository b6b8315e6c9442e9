/**
 * The frames in the stream's order, each once, whatever JetStream does: what a consumer that was killed had been given
 * comes again only after `ack_wait`, behind everything newer, and alerts judged in that order would be others. So the
 * order is kept here: a frame that is missing is fetched from the stream by its number before any later one is given.
 */
import { NatsError } from "nats";
import type { JetStreamManager, NatsConnection } from "nats";
import { openFrame } from "../ingest/index.js";
import type { FrameFeed, FrameView, Receipt } from "../ingest/index.js";
import { messageOf } from "../platform/errors.js";
import type { Logger } from "../platform/logger.js";
import { streams } from "../platform/subjects.js";

export interface OrderedFrame {
  readonly sequence: number;
  /** Undefined for one that was given before: there is nothing in it but its acknowledgement. */
  readonly view: FrameView | undefined;
  /** Where to acknowledge it; undefined for one that was fetched, whose delivery is still to come. */
  readonly message: Receipt | undefined;
}

/** So many missing frames are fetched at once; they are given in order all the same. */
const FETCH = 64;
const NO_MESSAGE_FOUND = 10037;

/** Where a stream and the processor's place in it stand. */
export interface Place {
  /** Tells one stream from another of the same name: when it was made. */
  readonly stream: string;
  /** Everything up to here is acknowledged. */
  readonly acknowledged: number;
  /** Everything up to here was delivered to someone. */
  readonly delivered: number;
}

export async function readPlace(manager: JetStreamManager, consumer: string): Promise<Place> {
  const { created, state } = await manager.streams.info(streams.frames);
  const { ack_floor, delivered } = await manager.consumers.info(streams.frames, consumer);
  return {
    stream: created,
    acknowledged: Math.max(ack_floor.stream_seq, state.first_seq - 1),
    delivered: delivered.stream_seq,
  };
}

export interface OrderedFramesDeps {
  readonly nc: NatsConnection;
  readonly feed: FrameFeed;
  readonly logger: Logger;
  readonly consumer: string;
  /** Called before the first frame, and again when the stream turns out to be another one. Answers with the last frame of it that needs no giving, 0 for none. */
  readonly onStream: (place: Place) => number;
}

/** Ends when the feed does; throws what the server answers when it cannot be asked: begin again then. */
export async function* orderedFrames(deps: OrderedFramesDeps): AsyncGenerator<OrderedFrame> {
  const { nc, feed, logger, consumer, onStream } = deps;
  const manager = await nc.jetstreamManager();
  let place = await readPlace(manager, consumer);
  let next = Math.max(place.acknowledged, onStream(place)) + 1;

  async function* fetchUpTo(last: number): AsyncGenerator<OrderedFrame> {
    if (next <= last) logger.info({ from: next, to: last }, "fetching frames that another reader was given");
    while (next <= last) {
      const sequences = Array.from({ length: Math.min(FETCH, last - next + 1) }, (_, n) => next + n);
      const frames = await Promise.all(sequences.map((sequence) => fetchFrame(manager, sequence, logger)));
      for (const [n, view] of frames.entries()) {
        const sequence = sequences[n] ?? next;
        next = sequence + 1;
        if (view !== undefined) yield { sequence, view, message: undefined };
      }
    }
  }

  yield* fetchUpTo(place.delivered);
  for await (const { sequence, view, message, deliveries } of feed.frames) {
    // Delivered for the first time with a number that has been: numbers have begun again, in a stream made anew.
    if (sequence < next && deliveries === 1) {
      const found = await readPlace(manager, consumer);
      if (found.stream !== place.stream) {
        logger.warn({ was: place.stream, is: found.stream }, "the stream of frames was made anew");
        place = found;
        next = Math.min(sequence, onStream(place) + 1);
      }
    }
    if (sequence < next) {
      yield { sequence, view: undefined, message };
      continue;
    }
    yield* fetchUpTo(sequence - 1);
    next = sequence + 1;
    yield { sequence, view, message };
  }
}

/** Undefined where it is gone, because everyone was done with it, or is of a version that a newer program must read. */
async function fetchFrame(manager: JetStreamManager, seq: number, logger: Logger): Promise<FrameView | undefined> {
  let data: Uint8Array;
  try {
    ({ data } = await manager.streams.getMessage(streams.frames, { seq }));
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE_FOUND) return undefined;
    throw error;
  }
  try {
    return openFrame(data);
  } catch (error) {
    logger.error({ sequence: seq, error: messageOf(error) }, "a frame cannot be read; leaving it");
    return undefined;
  }
}
