/**
 * Copies FLEETLOG_REJECTIONS into the document store, where it is asked. Read from a checkpoint that is stored after what
 * it includes: killed anywhere, it reads some messages again, inserts what is there already, and counts nothing twice.
 * Several may run at once: each finds the other's work done.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "mongodb";
import { DeliverPolicy } from "nats";
import type { ConsumerMessages, JsMsg, NatsConnection } from "nats";
import { follow } from "../../engines/follow.js";
import { withDeadline } from "../../platform/deadline.js";
import { messageOf } from "../../platform/errors.js";
import { derivedId } from "../../platform/ids.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { Counter } from "../../platform/metrics.js";
import type { Registry as Metrics } from "../../platform/metrics.js";
import { streams } from "../../platform/subjects.js";
import { createCountWriter } from "./count-writer.js";
import type { Counted } from "./count-writer.js";
import { ensureLedgerIndexes, ledgerCollections } from "./document.js";
import type { RejectionDocument } from "./document.js";
import type { Rejection, RejectionCounts } from "./rejection.js";
import { createTenantBounds } from "./tenant-bounds.js";

export interface RejectionLedgerDeps {
  readonly nc: NatsConnection;
  readonly db: Db;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface RejectionLedgerOptions {
  /** Rejections kept of each tenant; beyond it, that tenant's oldest go. */
  readonly perTenant?: number;
  readonly bytesPerTenant?: number;
}

const MAX_BATCH = 200;
const LINGER_MS = 100;
const WRITE_WITHIN_MS = 15_000;

export function startRejectionLedger(
  { nc, db, logger, metrics }: RejectionLedgerDeps,
  options: RejectionLedgerOptions = {},
): Running & HasHealth {
  const { perTenant = 10_000, bytesPerTenant = 64 * 1024 ** 2 } = options;
  const collections = ledgerCollections(db);
  const { rejections, checkpoints } = collections;
  const counts = createCountWriter(collections);
  const bounds = createTenantBounds(collections, { documents: perTenant, bytes: bytesPerTenant });
  let lag = 0;
  /** The one that is read: one that was made anew has sequences of its own. */
  let stream = "";
  const missed = new Counter({
    name: "fleetlog_rejections_missed_total",
    help: "Rejections that were pushed out of JetStream before the ledger had them.",
    registers: [metrics],
  });

  /** From where to read, and of which stream: one that was made anew begins at 1 again. */
  async function position(): Promise<{ readonly from: number; readonly stream: string }> {
    const { created: stream, state } = await (await nc.jetstreamManager()).streams.info(streams.rejections);
    const checkpoint = await checkpoints.findOne({ _id: "ledger" });
    const next = checkpoint?.stream === stream ? checkpoint.sequence + 1 : 1;
    if (state.first_seq > next) noteMissed(state.first_seq - next);
    return { from: Math.max(next, state.first_seq, 1), stream };
  }

  function noteMissed(count: number): void {
    missed.inc(count);
    logger.warn({ count }, "rejections were pushed out of JetStream before they could be copied into the ledger");
  }

  async function open(): Promise<ConsumerMessages> {
    await ensureLedgerIndexes(collections);
    const { from, stream: named } = await position();
    stream = named;
    const consumer = await nc.jetstream().consumers.get(streams.rejections, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: from,
    });
    return consumer.consume({ max_messages: MAX_BATCH, idle_heartbeat: 5_000 });
  }

  async function read(messages: ConsumerMessages, goes: () => void, stopping: AbortSignal): Promise<void> {
    for await (const batch of batchesOf(messages)) {
      await withDeadline(write(batch), WRITE_WITHIN_MS, "writing rejections");
      goes();
      if (stopping.aborted) return;
    }
  }

  async function write(batch: readonly JsMsg[]): Promise<void> {
    const kept: RejectionDocument[] = [];
    const counted: Counted[] = [];
    for (const message of batch) {
      const read = readMessage(message, logger);
      if (read === undefined) continue;
      if (read.document !== undefined) kept.push(read.document);
      counted.push(...read.counted);
    }
    if (kept.length > 0) {
      const { upsertedIds } = await rejections.bulkWrite(
        kept.map(({ _id, ...rest }) => ({
          updateOne: { filter: { _id }, update: { $setOnInsert: rest }, upsert: true },
        })),
        { ordered: false },
      );
      bounds.inserted(kept.filter((_, index) => upsertedIds[index] !== undefined));
    }
    await counts.add(counted, stream);
    await bounds.trim();
    const last = batch.at(-1);
    if (last === undefined) return;
    await checkpoints.updateOne({ _id: "ledger" }, { $set: { sequence: last.seq, stream } }, { upsert: true });
    lag = last.info.pending;
  }

  const following = follow({
    logger,
    open,
    read,
    waits: "rejections wait in JetStream; trying again",
    goesAgain: "rejections are written into the ledger again",
  });
  return {
    stop: () => following.stop(),
    health: (): readonly PartHealth[] => {
      const base = { name: "rejection-ledger", lag, lagUnit: "messages" as const };
      const { trouble } = following;
      if (trouble === undefined) return [{ ...base, state: "up" }];
      return [{ ...base, state: "degraded", detail: `JetStream holds the rejections: ${trouble}` }];
    },
  };
}

/** What has come, up to MAX_BATCH, a moment after the first: a flood costs few writes, a single one is seen soon. */
async function* batchesOf(source: AsyncIterable<JsMsg>): AsyncGenerator<readonly JsMsg[]> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  for (;;) {
    const first = await next;
    if (first.done === true) return;
    const batch = [first.value];
    const until = sleep(LINGER_MS).then(() => undefined);
    next = iterator.next();
    while (batch.length < MAX_BATCH) {
      const more = await Promise.race([next, until]);
      if (more === undefined) break;
      if (more.done === true) {
        yield batch;
        return;
      }
      batch.push(more.value);
      next = iterator.next();
    }
    yield batch;
  }
}

/** Undefined for what is neither a rejection nor counts: left behind, said in the log. */
function readMessage(
  message: JsMsg,
  logger: Logger,
): { readonly document?: RejectionDocument; readonly counted: readonly Counted[] } | undefined {
  const [, tenantId = "", deviceId] = message.subject.split(".");
  const sequence = message.seq;
  try {
    if (deviceId === undefined) {
      const { at, counts } = message.json<RejectionCounts>();
      return { counted: counts.map((one) => ({ ...one, tenantId, at, sequence })) };
    }
    const rejection = message.json<Rejection>();
    const { at, door, code } = rejection;
    const document = documentOf(rejection, tenantId, deviceId, message);
    return { document, counted: [{ tenantId, deviceId, door, code, count: 1, at, sequence }] };
  } catch (error) {
    logger.error({ subject: message.subject, sequence, error: messageOf(error) }, "a rejection cannot be read");
    return undefined;
  }
}

function documentOf(rejection: Rejection, tenantId: string, deviceId: string, message: JsMsg): RejectionDocument {
  const { id, at, form, ...rest } = rejection;
  const rejectionId = id ?? derivedId("rejection", message.subject, message.seq, message.info.timestampNanos);
  const formText = form === undefined ? {} : { form: JSON.stringify(form) };
  return {
    _id: `${tenantId}/${rejectionId}`,
    tenantId,
    rejectionId,
    deviceId,
    at: new Date(at).toISOString(),
    ...rest,
    ...formText,
    size: message.data.length + 256,
    keptAt: new Date(at),
  };
}
