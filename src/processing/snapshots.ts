/** Stores what has changed, and only then acknowledges the frames that changed it: one round at a time, about one a second. */
import { ACK_WAIT_MS } from "../ingest/index.js";
import type { Receipt } from "../ingest/index.js";
import { Backoff } from "../platform/backoff.js";
import { messageOf } from "../platform/errors.js";
import type { Logger } from "../platform/logger.js";
import type { Watches } from "./rules/watches.js";
import type { StateStore } from "./state-store.js";

export interface SnapshotsDeps {
  readonly watches: Watches;
  readonly store: StateStore;
  readonly logger: Logger;
  readonly onWritten: (documents: number) => void;
  readonly everyMs: number;
  /** Aborted: nobody waits for room any more. */
  readonly signal: AbortSignal;
}

/** Beyond it, no frame is taken until the store has answered: what is held costs memory, and JetStream gives no more anyway. */
const MAX_HELD = 2_048;
/** So many wait no longer for the next round. */
const ROUND_FRAMES = 512;
/** With the pause between two tries well within the consumer's `ack_wait`: frames that wait for a store that is away are not delivered again and again. */
const STILL_WORKING_MS = ACK_WAIT_MS / 4;

export interface Snapshots {
  /** An evaluated frame: acknowledged with the next snapshot. */
  hold(message: Receipt): void;
  /** Waits while too much is held. */
  room(): Promise<void>;
  /** Deletes documents that nothing depends on, given the last frame that JetStream knows as acknowledged. */
  expire(acknowledged: number): Promise<void>;
  readonly trouble: string | undefined;
  /** A last round, without retries: what is not stored is evaluated again by who comes next. */
  stop(): Promise<void>;
}

/** A document outlives the acknowledgement of its frames, because a server that is killed may forget its last acknowledgements. */
const EXPIRE_AFTER_MS = 60_000;
const EXPIRE_AT_ONCE = 10_000;

export function createSnapshots(deps: SnapshotsDeps): Snapshots {
  const { watches, store, logger, onWritten, everyMs, signal } = deps;
  const backoff = new Backoff({ initialMs: 100, maxMs: 5_000 });
  let held: Receipt[] = [];
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();
  let running = false;
  let stopped = false;
  let trouble: string | undefined;
  let saidWorkingAt = Date.now();
  const waiting: (() => void)[] = [];
  const letGo = (): void => {
    for (const go of waiting.splice(0)) go();
  };
  signal.addEventListener("abort", letGo, { once: true });

  function schedule(delayMs: number): void {
    if (timer !== undefined || running || stopped) return;
    timer = setTimeout(begin, delayMs);
  }

  function begin(): void {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    running = true;
    round = write().finally(() => {
      running = false;
      if (trouble !== undefined) schedule(backoff.next());
      else if (held.length > 0 || watches.dirty > 0) schedule(held.length >= ROUND_FRAMES ? 0 : everyMs);
    });
  }

  async function write(): Promise<void> {
    const frames = held;
    held = [];
    const snapshot = watches.takeSnapshot();
    try {
      if (snapshot.documents.length > 0) await store.write(snapshot.documents);
      snapshot.written();
      onWritten(snapshot.documents.length);
      for (const frame of frames) frame.ack();
      if (trouble !== undefined) logger.info("the states of rules are stored again");
      trouble = undefined;
      backoff.reset();
      letGo();
    } catch (error) {
      snapshot.failed();
      held = [...frames, ...held];
      if (trouble === undefined)
        logger.warn({ error: messageOf(error) }, "the states of rules are not stored; trying again");
      trouble = `the states of rules are not stored: ${messageOf(error)}`;
      sayWorking();
    }
  }

  function sayWorking(): void {
    if (Date.now() - saidWorkingAt < STILL_WORKING_MS) return;
    saidWorkingAt = Date.now();
    for (const frame of held) frame.working();
  }

  // Transitions that were accepted, and rules that changed, make states dirty without a frame.
  const idle = setInterval(() => {
    if (watches.dirty > 0 || held.length > 0) schedule(0);
  }, everyMs);

  return {
    hold(message) {
      held.push(message);
      if (held.length === ROUND_FRAMES && !running && trouble === undefined) begin();
      else schedule(everyMs);
    },
    async room() {
      if (held.length >= MAX_HELD && !signal.aborted) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    async expire(acknowledged) {
      await round;
      if (stopped || trouble !== undefined || running) return;
      await store.delete(watches.takeExpired(acknowledged, EXPIRE_AFTER_MS, EXPIRE_AT_ONCE));
    },
    get trouble() {
      return trouble;
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      clearInterval(idle);
      if (timer !== undefined) clearTimeout(timer);
      await round;
      await write();
    },
  };
}
