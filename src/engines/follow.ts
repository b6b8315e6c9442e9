/**
 * Follows a consumer of JetStream for as long as we run: begun anew with back-off whenever it ends or fails, because the
 * stream may not be there yet, NATS may be away, or what is done with the messages may fail. Who stands still says so.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ConsumerMessages } from "nats";
import { Backoff } from "../platform/backoff.js";
import { messageOf } from "../platform/errors.js";
import type { Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";

export interface FollowOptions {
  readonly logger: Logger;
  /** Throws while there are no messages to be had. */
  readonly open: () => Promise<ConsumerMessages>;
  /**
   * Reads until the messages end, or `stopping` is aborted, which ends them. What it throws has all that is not
   * acknowledged come again. `goes`: to be called when it has worked.
   */
  readonly read: (messages: ConsumerMessages, goes: () => void, stopping: AbortSignal) => Promise<void>;
  /** For the log, once each time: one sentence that says what waits, and one that says that it does no more. */
  readonly waits: string;
  readonly goesAgain: string;
  /** Failures in a row before it is warned of: what waits for others at the start is no news. */
  readonly patience?: number;
  readonly maxDelayMs?: number;
}

export interface Following extends Running {
  /** Why it stands still; undefined while it goes. */
  readonly trouble: string | undefined;
}

/** Whoever went for so long has begun well: the next failure is a first one. */
const GONE_WELL_MS = 30_000;

export function follow(options: FollowOptions): Following {
  const { logger, open, read, waits, goesAgain, patience = 1, maxDelayMs = 5_000 } = options;
  const stopping = new AbortController();
  let trouble: string | undefined;
  let failures = 0;
  let hasWarned = false;

  function goes(): void {
    if (hasWarned) logger.info(goesAgain);
    hasWarned = false;
    trouble = undefined;
    failures = 0;
  }

  function failed(error: unknown): void {
    if (stopping.signal.aborted) return;
    trouble = messageOf(error);
    failures += 1;
    if (hasWarned || failures < patience) return;
    hasWarned = true;
    logger.warn({ error: trouble }, waits);
  }

  async function once(): Promise<void> {
    const messages = await open();
    const end = (): void => messages.stop();
    stopping.signal.addEventListener("abort", end, { once: true });
    try {
      if (!stopping.signal.aborted) await read(messages, goes, stopping.signal);
    } finally {
      stopping.signal.removeEventListener("abort", end);
      end();
    }
  }

  async function run(): Promise<void> {
    const backoff = new Backoff({ initialMs: 200, maxMs: maxDelayMs });
    while (!stopping.signal.aborted) {
      const since = Date.now();
      await once().catch(failed);
      if (Date.now() - since > GONE_WELL_MS) backoff.reset();
      await sleep(backoff.next(), undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const finished = run();
  return {
    async stop() {
      stopping.abort();
      await finished;
    },
    get trouble() {
      return trouble;
    },
  };
}
