/** One term of the roller: what it does while it holds the lease. */
import { setTimeout as sleep } from "node:timers/promises";
import type { JetStreamManager, JsMsg, NatsConnection } from "nats";
import { Backoff } from "../../platform/backoff.js";
import { messageOf } from "../../platform/errors.js";
import type { PartHealth } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { lateConsumer, streams } from "../../platform/subjects.js";
import { feedFrames } from "../frames/frame-feed.js";
import { closeMinutes } from "./close-minutes.js";
import type { RollupStore } from "./compute.js";
import { correct } from "./corrections.js";
import type { Corrected } from "./corrections.js";
import type { RollupCounters } from "./counters.js";
import { createLateNotes } from "./late.js";
import type { LateWindow } from "./late.js";
import { floorTo, levels } from "./levels.js";
import type { Closed, Marks } from "./marks.js";
import { OpenWindows } from "./open-windows.js";
import type { RollupOptions } from "./options.js";
import type { NotesState, Owed } from "./owed.js";

export interface RollupTermDeps {
  readonly nc: NatsConnection;
  readonly store: RollupStore;
  readonly marks: Marks;
  readonly logger: Logger;
  readonly counted: RollupCounters;
  readonly owed: Owed;
  /** Whether this process holds the lease at this moment. */
  readonly holds: () => boolean;
}

export interface RollupTerm {
  /** Resolves when the term is over and nothing is under way any more; rejects when it could not begin. */
  readonly done: Promise<void>;
  /** Resolves once no correction is under way that may not have seen the marks as they are now. */
  corrected(): Promise<void>;
  health(): PartHealth;
}

/** Catching up goes by the hour: one look at the readings of an hour instead of sixty. */
const MAX_MINUTES_MS = levels.HOUR.ms;
/** How far ahead of the newest reading it is noted that readings have passed: one note in so long. */
const SEEN_AHEAD_MS = 5 * levels.MINUTE.ms;
/** Late windows computed together, so that those which follow each other are one statement; the next ones wait in JetStream. */
const WINDOWS_A_TURN = 30_000;
/** Below what the consumer gives out unacknowledged (1,000). */
const NOTES_A_TURN = 900;
/** A note has 500 windows at most: so few at a time, that a turn is not far above its bound. */
const NOTES_A_FETCH = 64;

export function startRollupTerm(deps: RollupTermDeps, options: RollupOptions, ended: AbortSignal): RollupTerm {
  const { nc, store, marks, logger, counted, owed, holds } = deps;
  const { graceMs = 15_000, lateDelayMs = 10_000, everyMs = 1_000, now = Date.now } = options;
  const notes = createLateNotes(nc, owed);
  const feed = feedFrames({ nc, consumer: "rollup", logger });
  let trouble: string | undefined;
  let closed: Closed | undefined;
  let windows = new OpenWindows(Number.POSITIVE_INFINITY);
  /** The last frame that passed by. */
  let seen = 0;
  /** What is older is late. Moves before a closing is computed, so that whatever it misses is noted. */
  let closingBefore = 0;
  ended.addEventListener("abort", () => feed.stop(), { once: true });

  async function begin(): Promise<Closed> {
    const known = await marks.closed();
    if (known !== undefined) return known;
    // The first time ever: what is there already is rolled up from its beginning.
    const from = floorTo("DAY", (await store.oldest()) ?? now());
    const fresh = { MINUTE: from, HOUR: from, DAY: from };
    await marks.close(fresh);
    return fresh;
  }

  async function watch(): Promise<void> {
    let seenBefore = (await marks.seenBefore()) ?? 0;
    for await (const { view, message, sequence } of feed.frames) {
      try {
        // At one moment for both: a reading is either taken up here or late.
        const since = closingBefore;
        const { newest, hasLate } = windows.add(view, since);
        seen = Math.max(seen, sequence);
        if (hasLate) counted.late.inc(await notes.note(view, since));
        if (newest >= seenBefore) {
          seenBefore = floorTo("MINUTE", newest) + SEEN_AHEAD_MS;
          await marks.setSeenBefore(seenBefore);
        }
        // Without the lease another may have closed more than we know of: what is late is his to say.
        if (holds()) message.ack();
        else message.nak();
      } catch (error) {
        logger.warn({ error: messageOf(error) }, "late readings could not be noted; their frame will come again");
        if (nc.isClosed()) return;
        message.nak(1_000);
      }
    }
  }

  /** The writer has stored all that JetStream holds now, and it has passed by here. */
  async function written(): Promise<void> {
    const manager = await nc.jetstreamManager();
    const { state } = await manager.streams.info(streams.frames);
    for (;;) {
      const { ack_floor, num_pending, num_ack_pending } = await manager.consumers.info(streams.frames, "writer");
      const isStored = ack_floor.stream_seq >= state.last_seq || (num_pending === 0 && num_ack_pending === 0);
      if (isStored && (seen >= state.last_seq || (await isIdle(manager)))) return;
      await sleep(Math.min(everyMs, 500), undefined, { signal: ended });
    }
  }

  /** Closes what is due, a step; `false` when nothing is. */
  async function close(before: Closed): Promise<boolean> {
    const due = floorTo("MINUTE", now() - graceMs);
    if (due <= before.MINUTE) return false;
    const to = Math.min(due, floorTo("HOUR", before.MINUTE) + MAX_MINUTES_MS);
    try {
      await closeUntil(before, to, due);
    } catch (error) {
      // What passed by since was taken for late, and what was taken up may be half written.
      windows.doubt(closingBefore);
      throw error;
    }
    return true;
  }

  async function closeUntil(before: Closed, to: number, due: number): Promise<void> {
    closingBefore = Math.max(closingBefore, to);
    await written();
    const since = performance.now();
    const next = { ...before, MINUTE: to };
    const minutes = await closeMinutes(store, windows, { from: before.MINUTE, to }, ended);
    counted.points.inc({ level: "MINUTE" }, minutes);
    // A step ends at the end of an hour, never beyond.
    for (const level of ["HOUR", "DAY"] as const) {
      const end = floorTo(level, to);
      if (end <= next[level]) break;
      counted.points.inc({ level }, await store.roll(level, { from: next[level], to: end }, ended));
      next[level] = end;
    }
    const reached = minutes === 0 && next.DAY === to ? await jump(next, due) : next;
    if (!holds()) throw new Error("the lease is not held");
    await marks.close(reached);
    closed = reached;
    counted.seconds.inc((performance.now() - since) / 1_000);
  }

  /** Over what is empty: a fleet that was away for months, or one wrong clock, must not cost a look at each hour. */
  async function jump(next: Closed, due: number): Promise<Closed> {
    const firstDay = async (): Promise<number> =>
      floorTo("DAY", Math.min((await store.oldest(next.MINUTE)) ?? due, due));
    if ((await firstDay()) <= next.MINUTE) return next;
    // As with every closing: first it is decided what is late, then looked at what is there.
    closingBefore = Math.max(closingBefore, await firstDay());
    windows.doubt(closingBefore);
    await written();
    const to = Math.min(closingBefore, await firstDay());
    return to <= next.MINUTE ? next : { MINUTE: to, HOUR: to, DAY: to };
  }

  let lateSince: number | undefined;
  let correcting: Promise<Corrected> | undefined;

  async function notesState(): Promise<NotesState> {
    const manager = await nc.jetstreamManager();
    const { state } = await manager.streams.info(streams.lateWindows);
    const { ack_floor, num_pending, num_ack_pending } = await manager.consumers.info(streams.lateWindows, lateConsumer);
    return {
      last: state.last_seq,
      doneUntil: num_pending + num_ack_pending === 0 ? state.last_seq : ack_floor.stream_seq,
    };
  }

  /** Corrects what late readings have changed; `false` when there are none, or they are still gathering. */
  async function mend(upTo: Closed): Promise<boolean> {
    const consumer = await nc.jetstream().consumers.get(streams.lateWindows, lateConsumer);
    const { num_pending, num_ack_pending } = await consumer.info(false);
    // Those that a roller had which was killed come again after a while, and are not among the pending.
    const waiting = num_pending + num_ack_pending;
    if (waiting === 0) return false;
    lateSince ??= now();
    if (now() - lateSince < lateDelayMs) return false;
    lateSince = undefined;
    const messages: JsMsg[] = [];
    const late: LateWindow[] = [];
    try {
      const most = Math.min(waiting, NOTES_A_TURN);
      for (let before = -1; messages.length > before && messages.length < most && late.length < WINDOWS_A_TURN;) {
        before = messages.length;
        const max = Math.min(most - before, NOTES_A_FETCH);
        for await (const message of await consumer.fetch({ max_messages: max, expires: 1_000 })) {
          messages.push(message);
          for (const window of message.json<readonly LateWindow[]>()) late.push(window);
        }
      }
      if (messages.length === 0) return false;
      // A closing that was under way when they were noted is done by now: this is the same loop.
      for (const window of late) notes.taken(window);
      await written();
      const since = performance.now();
      correcting = correct(store, marks, late, upTo, ended);
      const { points, sealed } = await correcting;
      counted.points.inc({ level: "LATE" }, points);
      counted.sealed.inc(sealed);
      await Promise.all(messages.map((message) => message.ackAck()));
      counted.seconds.inc((performance.now() - since) / 1_000);
    } catch (error) {
      // Else they come again only when their time for an answer is over.
      if (!nc.isClosed()) for (const message of messages) message.nak();
      throw error;
    } finally {
      correcting = undefined;
    }
    // What is left has waited as long: the next turn takes it without gathering anew.
    if (waiting > messages.length) lateSince = 0;
    return true;
  }

  async function work(): Promise<void> {
    const backoff = new Backoff({ initialMs: 200, maxMs: 10_000 });
    while (!ended.aborted) {
      try {
        closed ??= await begin();
        closingBefore = Math.max(closingBefore, closed.MINUTE);
        counted.lag.set((now() - closed.MINUTE) / 1_000);
        const isClosing = await close(closed);
        const isMending = await mend(closed);
        if (holds()) await owed.settle(notesState);
        if (trouble !== undefined) logger.info("rollups go on");
        trouble = undefined;
        backoff.reset();
        if (!isClosing && !isMending) await sleep(everyMs, undefined, { signal: ended });
      } catch (error) {
        if (ended.aborted) return;
        if (trouble === undefined) logger.warn({ error: reasonOf(error) }, "rollups stand still; trying again");
        trouble = reasonOf(error);
        await backoff.wait(ended).catch(() => undefined);
      }
    }
  }

  async function run(): Promise<void> {
    // Before the first frame is acknowledged it must be known what is late.
    while (closed === undefined) {
      ended.throwIfAborted();
      closed = await begin();
    }
    closingBefore = closed.MINUTE;
    windows = new OpenWindows((await marks.seenBefore()) ?? floorTo("MINUTE", now()) + levels.MINUTE.ms);
    await Promise.all([watch(), work()]);
  }

  return {
    done: run().catch((error: unknown) => {
      if (!ended.aborted) throw error;
    }),
    async corrected() {
      // What it fails with is said by the loop that it belongs to.
      await correcting?.catch(() => undefined);
    },
    health() {
      const lag = closed === undefined ? 0 : Math.max(0, now() - closed.MINUTE);
      const base = { name: "rollups", lag, lagUnit: "ms" as const };
      return trouble === undefined ? { ...base, state: "up" } : { ...base, state: "degraded", detail: trouble };
    },
  };
}

async function isIdle(manager: JetStreamManager): Promise<boolean> {
  const { num_pending, num_ack_pending } = await manager.consumers.info(streams.frames, "rollup");
  return num_pending === 0 && num_ack_pending === 0;
}

/** With what is behind it: what callers are told names no addresses, but the log and /readyz may. */
function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  return cause === undefined ? messageOf(error) : `${messageOf(error)} (${messageOf(cause)})`;
}
