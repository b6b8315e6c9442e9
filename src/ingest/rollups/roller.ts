/** One term of the roller: what it does while it holds the lease. */
import { setTimeout as sleep } from "node:timers/promises";
import type { JsMsg, NatsConnection } from "nats";
import { Backoff } from "../../platform/backoff.js";
import { messageOf } from "../../platform/errors.js";
import type { PartHealth } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import { lateConsumer, streams } from "../../platform/subjects.js";
import { feedFrames } from "../frame-feed.js";
import type { Sweeper } from "../retention/sweeper.js";
import type { RollupStore } from "./compute.js";
import { correct } from "./corrections.js";
import type { RollupCounters } from "./counters.js";
import { createLateNotes } from "./late.js";
import type { LateWindow } from "./late.js";
import { floorTo, levels } from "./levels.js";
import type { Closed, Marks } from "./marks.js";
import type { RollupOptions } from "./rollups.js";

export interface RollupTermDeps {
  readonly nc: NatsConnection;
  readonly store: RollupStore;
  readonly marks: Marks;
  readonly logger: Logger;
  readonly counted: RollupCounters;
  readonly sweeper?: Sweeper;
  /** Whether this process holds the lease at this moment. */
  readonly holds: () => boolean;
}

export interface RollupTerm {
  /** Resolves when the term is over and nothing is under way any more; rejects when it could not begin. */
  readonly done: Promise<void>;
  health(): PartHealth;
}

/** Catching up goes by the hour: one look at the readings of an hour instead of sixty. */
const MAX_MINUTES_MS = levels.HOUR.ms;
/** Late windows computed together; the next ones wait in JetStream. */
const NOTES_A_TURN = 64;

export function startRollupTerm(deps: RollupTermDeps, options: RollupOptions, ended: AbortSignal): RollupTerm {
  const { nc, store, marks, logger, counted, sweeper, holds } = deps;
  const { graceMs = 15_000, lateDelayMs = 10_000, everyMs = 1_000 } = options;
  const notes = createLateNotes(nc);
  const feed = feedFrames({ nc, consumer: "rollup", logger });
  let trouble: string | undefined;
  let closed: Closed | undefined;
  /** What is older is late. Moves before a closing is computed, so that whatever it misses is noted. */
  let closingBefore = 0;
  ended.addEventListener("abort", () => feed.stop(), { once: true });

  async function begin(): Promise<Closed> {
    const known = await marks.closed();
    if (known !== undefined) return known;
    // The first time ever: what is there already is rolled up from its beginning.
    const from = floorTo("DAY", (await store.oldest()) ?? Date.now());
    const fresh = { MINUTE: from, HOUR: from, DAY: from };
    await marks.close(fresh);
    return fresh;
  }

  async function watch(): Promise<void> {
    for await (const { view, message } of feed.frames) {
      try {
        const late = await notes.note(view, closingBefore);
        if (late > 0) counted.late.inc(late);
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

  /** The writer has stored all that JetStream holds now. */
  async function written(): Promise<void> {
    const manager = await nc.jetstreamManager();
    const { state } = await manager.streams.info(streams.frames);
    for (;;) {
      const { ack_floor, num_pending, num_ack_pending } = await manager.consumers.info(streams.frames, "writer");
      if (ack_floor.stream_seq >= state.last_seq || (num_pending === 0 && num_ack_pending === 0)) return;
      await sleep(Math.min(everyMs, 500), undefined, { signal: ended });
    }
  }

  /** Closes what is due, a step; `false` when nothing is. */
  async function close(now: Closed): Promise<boolean> {
    const due = floorTo("MINUTE", Date.now() - graceMs);
    if (due <= now.MINUTE) return false;
    const to = Math.min(due, floorTo("HOUR", now.MINUTE) + MAX_MINUTES_MS);
    closingBefore = Math.max(closingBefore, to);
    await written();
    const since = performance.now();
    const next = { ...now, MINUTE: to };
    const minutes = await store.roll("MINUTE", { from: now.MINUTE, to }, ended);
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
    return true;
  }

  /** Over what is empty: a fleet that was away for months, or one wrong clock, must not cost a look at each hour. */
  async function jump(next: Closed, due: number): Promise<Closed> {
    const to = floorTo("DAY", Math.min((await store.oldest(next.MINUTE)) ?? due, due));
    return to <= next.MINUTE ? next : { MINUTE: to, HOUR: to, DAY: to };
  }

  let lateSince: number | undefined;

  /** Corrects what late readings have changed; `false` when there are none, or they are still gathering. */
  async function mend(now: Closed): Promise<boolean> {
    const consumer = await nc.jetstream().consumers.get(streams.lateWindows, lateConsumer);
    const { num_pending: waiting } = await consumer.info(false);
    if (waiting === 0) return false;
    lateSince ??= Date.now();
    if (Date.now() - lateSince < lateDelayMs) return false;
    lateSince = undefined;
    const messages: JsMsg[] = [];
    const windows: LateWindow[] = [];
    const fetched = await consumer.fetch({ max_messages: Math.min(waiting, NOTES_A_TURN), expires: 2_000 });
    for await (const message of fetched) {
      messages.push(message);
      windows.push(...message.json<readonly LateWindow[]>());
    }
    // A closing that was under way when they were noted is done by now: this is the same loop.
    for (const window of windows) notes.taken(window);
    await written();
    const since = performance.now();
    const { points, sealed } = await correct(store, marks, windows, now, ended);
    counted.points.inc({ level: "LATE" }, points);
    counted.sealed.inc(sealed);
    for (const message of messages) message.ack();
    counted.seconds.inc((performance.now() - since) / 1_000);
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
        counted.lag.set((Date.now() - closed.MINUTE) / 1_000);
        const isClosing = await close(closed);
        const isMending = await mend(closed);
        if (sweeper !== undefined) await sweeper.sweep(marks, ended);
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
    await Promise.all([watch(), work()]);
  }

  return {
    done: run().catch((error: unknown) => {
      if (!ended.aborted) throw error;
    }),
    health() {
      const lag = closed === undefined ? 0 : Math.max(0, Date.now() - closed.MINUTE);
      const base = { name: "rollups", lag, lagUnit: "ms" as const };
      return trouble === undefined ? { ...base, state: "up" } : { ...base, state: "degraded", detail: trouble };
    },
  };
}

/** With what is behind it: what callers are told names no addresses, but the log and /readyz may. */
function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  return cause === undefined ? messageOf(error) : `${messageOf(error)} (${messageOf(cause)})`;
}
