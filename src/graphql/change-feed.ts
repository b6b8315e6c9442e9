import type { NatsConnection } from "nats";
import { messageOf } from "../platform/errors.js";
import type { Logger } from "../platform/logger.js";
import type { Gauge } from "../platform/metrics.js";
import type { Overflow } from "./bounded-feed.js";
import { BoundedFeed } from "./bounded-feed.js";

/** So many items wait for one subscriber; one more ends its subscription with LIMIT_EXCEEDED. */
export const MAX_WAITING_ITEMS = 1_000;

/** Where subscriptions come from. Any API process can serve any client: every change is told over NATS, after the read model shows it. */
export interface ChangeFeed {
  /**
   * What is published on `subject`, as `accept` reads it; what it gives undefined for is not of interest.
   * A message that cannot be read is logged and passed over.
   */
  subscribe<T>(subject: string, accept: (message: unknown) => T | undefined): AsyncIterableIterator<T | Overflow>;
}

export function createChangeFeed(deps: {
  readonly nats: NatsConnection;
  readonly logger: Logger;
  /** How many subscriptions run. */
  readonly running: Gauge;
}): ChangeFeed {
  const { nats, logger, running } = deps;
  return {
    subscribe<T>(subject: string, accept: (message: unknown) => T | undefined) {
      const subscription = nats.subscribe(subject, {
        callback: (error, message) => {
          if (error !== null) {
            logger.warn({ subject, error: error.message }, "a change could not be received");
            return;
          }
          try {
            const item = accept(message.json());
            if (item !== undefined) feed.push(item);
          } catch (unreadable) {
            logger.warn({ subject: message.subject, error: messageOf(unreadable) }, "a change could not be read");
          }
        },
      });
      running.inc();
      const feed = new BoundedFeed<T>(MAX_WAITING_ITEMS, () => {
        subscription.unsubscribe();
        running.dec();
      });
      // The connection is closed for good when the process stops: so is whoever listens.
      void subscription.closed.then(() => feed.end());
      return feed;
    },
  };
}
