/** What the writer, the relay and the processor have in common: frames from their durable consumer, for as long as they run. */
import { setTimeout as sleep } from "node:timers/promises";
import { nanos } from "nats";
import type { ConsumerMessages, JsMsg, NatsConnection } from "nats";
import { Backoff } from "../../platform/backoff.js";
import { messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { streams } from "../../platform/subjects.js";
import { openFrame, readingsOf } from "./frame.js";
import type { FrameView } from "./frame.js";
import type { FrameConsumer } from "../jetstream/streams.js";
import type { Reading } from "../reading.js";

const GIVE_BACK_MS = 500;

export interface Frame {
  /** The bytes, opened; what is cheap to ask is asked here. */
  readonly view: FrameView;
  /** All readings, decoded when they are asked for. */
  readonly readings: readonly Reading[];
  /** The place in the stream. */
  readonly sequence: number;
  readonly redelivered: boolean;
  /** How often it was delivered, this time included. */
  readonly deliveries: number;
  /** Acknowledge it when its readings are where they belong; until then it is delivered again. */
  readonly message: Receipt;
}

/**
 * The right to answer for a frame. Keeps nothing of its bytes: thousands may be held, and a frame may have a quarter of a
 * megabyte.
 */
export interface Receipt {
  ack(): void;
  /** Not done: it comes again, after `delayMs` where given. */
  nak(delayMs?: number): void;
  /** Begins `ack_wait` anew. */
  working(): void;
}

export interface FrameFeed {
  readonly frames: AsyncIterable<Frame>;
  /** Ends the iteration; frames that were delivered but not taken are delivered to the next feed. */
  stop(): void;
  /** Frames that wait behind the last delivered one. */
  readonly pending: number;
}

export interface FrameFeedOptions {
  readonly nc: NatsConnection;
  readonly consumer: FrameConsumer;
  readonly logger: Logger;
  /** Frames fetched ahead: up to a quarter of a megabyte each. */
  readonly ahead?: number;
}

/** In the stream's order; after a lost connection or a deleted consumer it tries again for ever, with back-off. */
export function feedFrames({ nc, consumer, logger, ahead = 64 }: FrameFeedOptions): FrameFeed {
  const stopping = new AbortController();
  let messages: ConsumerMessages | undefined;
  let pending = 0;
  let isWaiting = false;

  async function* frames(): AsyncGenerator<Frame> {
    const backoff = new Backoff({ initialMs: 100, maxMs: 5_000 });
    while (!stopping.signal.aborted) {
      try {
        const source = await nc.jetstream().consumers.get(streams.frames, consumer);
        messages = await source.consume({ max_messages: ahead, idle_heartbeat: 5_000, expires: 30_000 });
        yield* framesOf(messages, backoff);
      } catch (error) {
        logger.warn({ consumer, error: messageOf(error) }, "the frames do not come; trying again");
      }
      await sleep(backoff.next(), undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  /** Not a `for await`: what is fetched ahead when the taker stops, or breaks off, must still be reached. */
  async function* framesOf(source: ConsumerMessages, backoff: Backoff): AsyncGenerator<Frame> {
    const iterator = source[Symbol.asyncIterator]();
    let isOver = false;
    try {
      while (!stopping.signal.aborted) {
        isWaiting = true;
        const next = await iterator.next();
        isWaiting = false;
        if (next.done === true) {
          isOver = true;
          return;
        }
        const message = next.value;
        backoff.reset();
        pending = message.info.pending;
        const frame = read(message);
        if (frame !== undefined) yield frame;
      }
    } finally {
      isWaiting = false;
      if (!isOver) await giveBack(nc, source, iterator);
    }
  }

  function read(message: JsMsg): Frame | undefined {
    try {
      return new OpenedFrame(openFrame(message.data), message, new ReplyReceipt(nc, message));
    } catch (error) {
      // Of a newer version, perhaps: left in the stream for a program that can read it.
      logger.error({ consumer, sequence: message.seq, error: messageOf(error) }, "a frame cannot be read; leaving it");
      message.nak(60_000);
      return undefined;
    }
  }

  return {
    frames: { [Symbol.asyncIterator]: frames },
    stop() {
      stopping.abort();
      // Otherwise somebody is at work on a frame, and what lies behind it is given back when he asks for the next.
      if (isWaiting) messages?.stop();
    },
    get pending() {
      return pending;
    },
  };
}

class OpenedFrame implements Frame {
  readonly view: FrameView;
  readonly sequence: number;
  readonly redelivered: boolean;
  readonly deliveries: number;
  readonly message: Receipt;

  constructor(view: FrameView, { info }: JsMsg, receipt: Receipt) {
    this.view = view;
    this.sequence = info.streamSequence;
    this.redelivered = info.redelivered;
    this.deliveries = info.deliveryCount;
    this.message = receipt;
  }

  get readings(): readonly Reading[] {
    return readingsOf(this.view);
  }
}

const ACK = Buffer.from("+ACK");
const NAK = Buffer.from("-NAK");
const WORKING = Buffer.from("+WPI");

class ReplyReceipt implements Receipt {
  readonly #nc: NatsConnection;
  readonly #reply: string;

  constructor(nc: NatsConnection, message: JsMsg) {
    this.#nc = nc;
    // Every message of the client has it; only its type does not say so.
    this.#reply = (message as JsMsg & { readonly reply: string }).reply;
  }

  ack(): void {
    this.#nc.publish(this.#reply, ACK);
  }

  nak(delayMs?: number): void {
    this.#nc.publish(this.#reply, delayMs === undefined ? NAK : Buffer.from(`-NAK {"delay":${nanos(delayMs)}}`));
  }

  working(): void {
    this.#nc.publish(this.#reply, WORKING);
  }
}

/** What was fetched ahead goes to the next feed at once, instead of after `ack_wait`. */
async function giveBack(nc: NatsConnection, source: ConsumerMessages, iterator: AsyncIterator<JsMsg>): Promise<void> {
  const settle = async (): Promise<unknown> => nc.isClosed() || Promise.race([nc.flush(), sleep(GIVE_BACK_MS)]);
  // After the server's answer, all that it has sent until now is here.
  await settle();
  const held: JsMsg[] = [];
  // Ends the wait for a message that is counted but never comes.
  const limit = setTimeout(() => source.stop(), GIVE_BACK_MS);
  // The last one taken is counted until the next is asked for.
  while (source.getPending() > 1) {
    const next = await iterator.next();
    if (next.done === true) break;
    held.push(next.value);
  }
  clearTimeout(limit);
  source.stop();
  // Only now, and once the server knows that we are gone: it would give them to us again.
  await settle();
  if (!nc.isClosed()) for (const message of held) message.nak();
}
