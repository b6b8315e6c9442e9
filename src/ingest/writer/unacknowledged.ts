/**
 * The frames that a consumer was given and has not acknowledged, read from the stream itself. Delivery alone does not bring
 * them back: nats-server 2.9, killed together with the reader, may come up again knowing the consumer's place but no longer
 * what is unacknowledged behind it (tried: after about every third kill). Such frames are never delivered again, and are gone
 * once the other consumers are done with them.
 */
import { NatsError } from "nats";
import type { JetStreamManager, NatsConnection, StoredMsg } from "nats";
import { messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { streams } from "../../platform/subjects.js";
import { openFrame, readingsOf } from "../frames/frame.js";
import type { FrameView } from "../frames/frame.js";
import type { Frame, Receipt } from "../frames/frame-feed.js";
import type { FrameConsumer } from "../jetstream/streams.js";
import type { Reading } from "../reading.js";

const NO_MESSAGE_FOUND = 10037;

/** Their deliveries, if they are still to come, are acknowledged then; here is nothing to answer for. */
const noReceipt: Receipt = { ack: () => {}, nak: () => {}, working: () => {} };

class GivenFrame implements Frame {
  readonly redelivered = true;
  readonly deliveries = 2;
  readonly message = noReceipt;
  readonly view: FrameView;
  readonly sequence: number;

  constructor(view: FrameView, sequence: number) {
    this.view = view;
    this.sequence = sequence;
  }

  get readings(): readonly Reading[] {
    return readingsOf(this.view);
  }
}

/** In the stream's order, one in memory. Some may be acknowledged, and wait for the other consumers. Throws what the server answers. */
export async function* unacknowledgedFrames(
  nc: NatsConnection,
  consumer: FrameConsumer,
  logger: Logger,
): AsyncGenerator<Frame> {
  const manager = await nc.jetstreamManager();
  const { ack_floor, delivered } = await manager.consumers.info(streams.frames, consumer);
  for (let next = ack_floor.stream_seq + 1; next <= delivered.stream_seq;) {
    const found = await firstFrom(manager, next);
    if (found === undefined || found.seq > delivered.stream_seq) return;
    next = found.seq + 1;
    const view = opened(found, logger);
    if (view === undefined) continue;
    yield new GivenFrame(view, found.seq);
  }
}

/** Frames that everyone is done with leave gaps, which may be long. */
async function firstFrom(manager: JetStreamManager, seq: number): Promise<StoredMsg | undefined> {
  const query = { seq, next_by_subj: ">" };
  try {
    return await manager.streams.getMessage(streams.frames, query);
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE_FOUND) return undefined;
    throw error;
  }
}

function opened({ data, seq }: StoredMsg, logger: Logger): FrameView | undefined {
  try {
    return openFrame(data);
  } catch (error) {
    logger.error({ sequence: seq, error: messageOf(error) }, "a frame cannot be read; leaving it");
    return undefined;
  }
}
