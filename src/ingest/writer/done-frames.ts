/**
 * Removes the frames that every consumer is done with. JetStream's own interest retention would do the same, but may not be
 * trusted with it: nats-server 2.9, started again, may remove what a consumer that is behind has never been given, because it
 * brings the stream back before all of its consumers (tried: after every second start), and may keep for ever what it has
 * forgotten that one was given (see unacknowledged.ts).
 */
import type { NatsConnection } from "nats";
import { messageOf } from "../../platform/errors.js";
import type { Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { streams } from "../../platform/subjects.js";
import { frameConsumers } from "../jetstream/streams.js";

/** How long a frame may outlive its last acknowledgement. */
const EVERY_MS = 1_000;

/** How many were removed: those at or below what each consumer has acknowledged without a gap. */
export async function removeDoneFrames(nc: NatsConnection): Promise<number> {
  const manager = await nc.jetstreamManager();
  const infos = await Promise.all(frameConsumers.map((consumer) => manager.consumers.info(streams.frames, consumer)));
  const done = Math.min(...infos.map(({ ack_floor }) => ack_floor.stream_seq));
  const { state } = await manager.streams.info(streams.frames);
  if (state.messages === 0 || state.first_seq > done) return 0;
  const { purged } = await manager.streams.purge(streams.frames, { seq: done + 1 });
  return purged;
}

/** Looks every second, and never twice at one time. A look that fails is made good by the next. */
export function keepRemoving(nc: NatsConnection, logger: Logger): Running {
  let looking: Promise<void> | undefined;
  let hasFailed = false;
  const timer = setInterval(() => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  }, EVERY_MS);
  timer.unref();

  async function look(): Promise<void> {
    try {
      await removeDoneFrames(nc);
      hasFailed = false;
    } catch (error) {
      if (nc.isClosed() || hasFailed) return;
      hasFailed = true;
      logger.warn({ error: messageOf(error) }, "the frames that are done with cannot be removed; trying again");
    }
  }

  return {
    async stop() {
      clearInterval(timer);
      await looking;
    },
  };
}
