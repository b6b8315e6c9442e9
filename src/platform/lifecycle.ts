import type { Logger } from "./logger.js";
import { messageOf } from "./errors.js";

/** Something that runs until it is stopped. `stop` drains: what was accepted is finished first. It is safe to call twice. */
export interface Running {
  stop(): Promise<void>;
}

/**
 * What has been started, in order; `stop` ends it in reverse, each after the one before it is done, so that
 * doors close before the pipes behind them and the engines' clients go last.
 */
export class Lifecycle implements Running {
  readonly #started: { readonly name: string; readonly running: Running }[] = [];
  readonly #logger: Logger;
  #stopping: Promise<void> | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add<T extends Running>(name: string, running: T): T {
    this.#started.push({ name, running });
    // What comes up while the rest goes down is stopped too, or it would outlive us.
    if (this.#stopping !== undefined) this.#stopping = this.#stopping.then(() => this.#stopAll());
    return running;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    for (let last = this.#started.pop(); last !== undefined; last = this.#started.pop()) {
      const { name, running } = last;
      try {
        await running.stop();
        this.#logger.debug({ part: name }, "stopped");
      } catch (error) {
        this.#logger.error({ part: name, error: messageOf(error) }, "did not stop cleanly");
      }
    }
  }
}

/** The state of one part, as /readyz shows it. `lag` counts what waits: events, messages, or milliseconds, as `lagUnit` says. */
export interface PartHealth {
  readonly name: string;
  readonly state: "up" | "degraded" | "down";
  readonly detail?: string;
  readonly lag?: number;
  readonly lagUnit?: "events" | "messages" | "ms";
}

/** A part that can say how it is. Must answer from memory, at once: it is asked while the engines are in trouble. */
export interface HasHealth {
  health(): readonly PartHealth[];
}
