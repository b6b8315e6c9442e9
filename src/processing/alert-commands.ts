/** Tells the event store of alerts: in order for each alert, many alerts at once, again and again until it is accepted. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Commands } from "../commands/index.js";
import { Backoff } from "../platform/backoff.js";
import { isFleetlogError, messageOf } from "../platform/errors.js";
import { Limiter } from "../platform/limiter.js";
import type { Logger } from "../platform/logger.js";
import type { Transition } from "./rules/transition.js";

/** Beside what people do, so well below what the event store takes. */
const CONCURRENT = 64;
const STOP_GRACE_MS = 3_000;
const RETRIED: ReadonlySet<string> = new Set(["UNAVAILABLE", "CONFLICT", "LIMIT_EXCEEDED"]);

export type Outcome = "accepted" | "refused";

export interface AlertCommandsDeps {
  readonly commands: Commands;
  readonly logger: Logger;
  /** Once per transition; not called for one that was still waiting at `stop`. */
  readonly onSettled: (transition: Transition, outcome: Outcome) => void;
}

export interface AlertCommands {
  /** Never throws and takes any number: whoever sends them watches how many are owed. */
  send(transition: Transition): void;
  /** Why the last try failed, while one fails. */
  readonly trouble: string | undefined;
  /** Finishes what it has while the event store takes it, for a few seconds; what is left is owed by who comes next. */
  stop(): Promise<void>;
}

export function createAlertCommands({ commands, logger, onSettled }: AlertCommandsDeps): AlertCommands {
  const limiter = new Limiter(CONCURRENT, Number.MAX_SAFE_INTEGER);
  const stopping = new AbortController();
  /** The end of each alert's queue. */
  const last = new Map<string, Promise<void>>();
  let trouble: string | undefined;

  async function execute(transition: Transition): Promise<void> {
    const backoff = new Backoff({ initialMs: 50, maxMs: 5_000 });
    while (!stopping.signal.aborted) {
      const failure = await attempt(transition);
      if (failure === undefined) return;
      // One line a burst, not one a try.
      if (trouble === undefined) logger.warn({ error: failure }, "the event store does not take alerts; trying again");
      trouble = failure;
      await backoff.wait(stopping.signal).catch(() => undefined);
    }
  }

  async function after(before: Promise<void> | undefined, transition: Transition): Promise<void> {
    await before;
    await limiter.run(() => execute(transition));
  }

  /** The reason to try again, or undefined once it is settled. */
  async function attempt(transition: Transition): Promise<string | undefined> {
    const { tenantId, alertId, command, commandId } = transition;
    try {
      const actor = { kind: "system", part: "processor" } as const;
      await commands.execute({ category: "alert", tenantId, id: alertId, command, commandId, actor });
      trouble = undefined;
      onSettled(transition, "accepted");
      return undefined;
    } catch (error) {
      if (isFleetlogError(error) && RETRIED.has(error.code)) return error.message;
      const code = isFleetlogError(error) ? error.code : "INTERNAL";
      logger.error({ tenantId, alertId, command: command.type, code, error: messageOf(error) }, "an alert was refused");
      onSettled(transition, "refused");
      return undefined;
    }
  }

  return {
    send(transition) {
      const { alertId } = transition;
      const done = after(last.get(alertId), transition).finally(() => {
        if (last.get(alertId) === done) last.delete(alertId);
      });
      last.set(alertId, done);
    },
    get trouble() {
      return trouble;
    },
    async stop() {
      const all = Promise.all(last.values());
      if (trouble === undefined) await Promise.race([all, sleep(STOP_GRACE_MS, undefined, { ref: false })]);
      stopping.abort();
      await Promise.all(last.values());
    },
  };
}
