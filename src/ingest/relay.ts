/** Hands every stored reading to the integrators, as a plain NATS message on `fleetlog.{tenant}.telemetry.{device}`. */
import type { NatsConnection } from "nats";
import { messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { subjects } from "../platform/subjects.js";
import { feedFrames } from "./frame-feed.js";
import type { Frame } from "./frame-feed.js";
import type { Reading } from "./reading.js";

/** What integrators receive (JSON). At least once: after a crash some readings come again. */
export interface RelayedReading {
  readonly ts: number;
  readonly receivedAt: number;
  readonly deviceType: string;
  readonly values: Readonly<Record<string, number | string | boolean>>;
}

export interface RelayDeps {
  readonly nc: NatsConnection;
  readonly logger: Logger;
}

/** Frames whose flush is under way; beyond it the relay waits for the server. */
const MAX_UNFLUSHED = 64;

export function startRelay({ nc, logger }: RelayDeps): Running & HasHealth {
  const feed = feedFrames({ nc, consumer: "relay", logger });
  let trouble: string | undefined;
  const finished = run();

  async function run(): Promise<void> {
    let sent: Frame[] = [];
    let flushing: Promise<void> | undefined;
    /** Acknowledges what the server has taken; one round trip for all frames that came meanwhile. */
    const flush = async (): Promise<void> => {
      while (sent.length > 0) {
        const batch = sent;
        sent = [];
        try {
          await nc.flush();
          for (const { message } of batch) message.ack();
          trouble = undefined;
        } catch (error) {
          // Not acknowledged, so delivered again after `ack_wait`.
          trouble = messageOf(error);
        }
      }
      flushing = undefined;
    };
    for await (const frame of feed.frames) {
      try {
        for (const reading of frame.readings) {
          nc.publish(subjects.telemetry(reading.tenantId, reading.deviceId), relayed(reading));
        }
        sent.push(frame);
        flushing ??= flush();
        if (sent.length >= MAX_UNFLUSHED) await flushing;
      } catch (error) {
        trouble = messageOf(error);
        logger.warn({ sequence: frame.sequence, error: trouble }, "could not relay a frame; it will come again");
        if (nc.isClosed()) return;
        frame.message.nak(1_000);
      }
    }
    await flushing;
  }

  return {
    async stop() {
      feed.stop();
      await finished;
    },
    health: (): readonly PartHealth[] => {
      const base = { name: "relay", lag: feed.pending, lagUnit: "messages" as const };
      return [trouble === undefined ? { ...base, state: "up" } : { ...base, state: "degraded", detail: trouble }];
    },
  };
}

/** The text of a RelayedReading. By hand, as this is done for every reading there is; ids need no escaping. */
function relayed({ timestamp, receivedAt, deviceType, values }: Reading): Uint8Array {
  return Buffer.from(
    `{"ts":${timestamp},"receivedAt":${receivedAt},"deviceType":"${deviceType}","values":${JSON.stringify(values)}}`,
  );
}
