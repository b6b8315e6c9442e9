/**
 * Writes what gateways report of their tenants' use into the document store. A total is only ever replaced by a larger
 * one, so a message that comes twice, late, or behind its successor changes nothing. Several may run at once.
 */
import type { Db } from "mongodb";
import type { ConsumerMessages, JsMsg, NatsConnection } from "nats";
import { follow } from "../../engines/follow.js";
import { withDeadline } from "../../platform/deadline.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { streams, usageConsumer } from "../../platform/subjects.js";
import { usageCollection, USAGE_KEPT_DAYS } from "./usage-document.js";
import type { UsageMessage } from "./usage-report.js";

export interface UsageKeeperDeps {
  readonly nc: NatsConnection;
  readonly db: Db;
  readonly logger: Logger;
}

const WRITE_WITHIN_MS = 15_000;

export function startUsageKeeper({ nc, db, logger }: UsageKeeperDeps): Running & HasHealth {
  const collection = usageCollection(db);
  let lag = 0;

  async function open(): Promise<ConsumerMessages> {
    await collection.createIndexes([
      { key: { tenantId: 1, hour: 1 } },
      { key: { keptAt: 1 }, expireAfterSeconds: USAGE_KEPT_DAYS * 24 * 3_600 },
    ]);
    const consumer = await nc.jetstream().consumers.get(streams.usage, usageConsumer);
    return consumer.consume({ max_messages: 50, idle_heartbeat: 5_000 });
  }

  async function read(messages: ConsumerMessages, goes: () => void, stopping: AbortSignal): Promise<void> {
    for await (const message of messages) {
      await withDeadline(write(message), WRITE_WITHIN_MS, "writing what tenants use");
      message.ack();
      lag = message.info.pending;
      goes();
      if (stopping.aborted) return;
    }
  }

  async function write(message: JsMsg): Promise<void> {
    const read = readMessage(message);
    if (read === undefined) {
      logger.error({ sequence: message.seq }, "a message on what tenants use cannot be read, and is left out");
      return;
    }
    const hour = new Date(read.hour).toISOString();
    await collection.bulkWrite(
      read.tenants.map(([tenantId, count, bytes, readings, waits, refusals, peakConnections]) => ({
        updateOne: {
          filter: { _id: `${tenantId}/${hour}/${read.instance}` },
          update: {
            $max: { messages: count, bytes, readings, waits, refusals, peakConnections },
            $setOnInsert: { tenantId, hour, keptAt: new Date(read.hour) },
          },
          upsert: true,
        },
      })),
      { ordered: false },
    );
  }

  const following = follow({
    logger,
    open,
    read,
    waits: "what tenants use waits in JetStream; trying again",
    goesAgain: "what tenants use is written again",
  });
  return {
    stop: () => following.stop(),
    health: (): readonly PartHealth[] => {
      const base = { name: "usage-keeper", lag, lagUnit: "messages" as const };
      const { trouble } = following;
      if (trouble === undefined) return [{ ...base, state: "up" }];
      return [{ ...base, state: "degraded", detail: `JetStream holds what tenants use: ${trouble}` }];
    },
  };
}

function readMessage(message: JsMsg): UsageMessage | undefined {
  try {
    const read = message.json<UsageMessage>();
    return Array.isArray(read.tenants) && read.tenants.length > 0 && Number.isSafeInteger(read.hour) ? read : undefined;
  } catch {
    // Said by the caller, who knows the message.
    return undefined;
  }
}
