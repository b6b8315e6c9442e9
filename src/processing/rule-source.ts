/** Keeps the rules in force as the read model has them: told of each change at once, and looks for itself now and then. */
import { Events } from "nats";
import type { NatsConnection } from "nats";
import { Backoff } from "../platform/backoff.js";
import { messageOf } from "../platform/errors.js";
import type { Running } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { subjects } from "../platform/subjects.js";
import type { AlertRuleDocument } from "../projections/index.js";

export interface RuleSourceDeps {
  readonly nc: NatsConnection;
  readonly alertRules: { allEnabled(): Promise<readonly AlertRuleDocument[]> };
  readonly logger: Logger;
  readonly onRule: (document: AlertRuleDocument) => void;
  /** All that are enabled; `heard` are those that `onRule` has told of since the list was asked for. */
  readonly onRules: (documents: readonly AlertRuleDocument[], heard: ReadonlySet<string>) => void;
  /** For changes whose note was lost. */
  readonly reloadMs?: number;
}

export interface RuleSource extends Running {
  /** Resolves with the first full list, however long the read model is away. Rejects when stopped before. */
  readonly loaded: Promise<void>;
  /** Why the last look failed, while it does. */
  readonly trouble: string | undefined;
}

export function startRuleSource(deps: RuleSourceDeps): RuleSource {
  const { nc, alertRules, logger, onRule, onRules, reloadMs = 30_000 } = deps;
  const stopping = new AbortController();
  let heard = new Set<string>();
  let trouble: string | undefined;
  let reloading: Promise<void> | undefined;
  let again = false;

  // First the ear, then the look: what changes in between is heard.
  const subscription = nc.subscribe(subjects.changed("alert-rule", "*", "*"), {
    callback: (error, message) => {
      if (error !== null) return look();
      try {
        const { document } = message.json<{ readonly document: AlertRuleDocument }>();
        heard.add(document.ruleId);
        onRule(document);
      } catch (failure) {
        logger.warn({ error: messageOf(failure) }, "a note of a changed alert rule cannot be read; reading them all");
        look();
      }
    },
  });

  /** Tries until it is done. A wish that comes meanwhile is one more round. */
  function reload(): Promise<void> {
    again = true;
    reloading ??= (async () => {
      const backoff = new Backoff({ initialMs: 100, maxMs: 5_000 });
      while (again && !stopping.signal.aborted) {
        again = false;
        heard = new Set();
        try {
          onRules(await alertRules.allEnabled(), heard);
          trouble = undefined;
        } catch (error) {
          trouble = `the alert rules cannot be read: ${messageOf(error)}`;
          logger.warn({ error: messageOf(error) }, "the alert rules cannot be read; trying again");
          again = true;
          await backoff.wait(stopping.signal).catch(() => undefined);
        }
      }
      reloading = undefined;
      stopping.signal.throwIfAborted();
    })();
    return reloading;
  }

  async function watchConnection(): Promise<void> {
    for await (const status of nc.status()) {
      if (stopping.signal.aborted) return;
      // Notes that were sent meanwhile are lost.
      if (status.type === Events.Reconnect) look();
    }
  }

  function look(): void {
    reload().catch((error: unknown) => {
      if (!stopping.signal.aborted) logger.error({ error: messageOf(error) }, "the alert rules were not read");
    });
  }

  const loaded = reload();
  loaded.catch(() => undefined);
  void watchConnection();
  const timer = setInterval(look, reloadMs);

  return {
    loaded,
    get trouble() {
      return trouble;
    },
    async stop() {
      clearInterval(timer);
      stopping.abort(new Error("stopped"));
      subscription.unsubscribe();
      await reloading?.catch(() => undefined);
    },
  };
}
