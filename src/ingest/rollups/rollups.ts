/**
 * The roller: one at a time for the whole platform. It closes minutes, hours and days once they are over and the writer
 * has stored what was sent in them, and corrects closed ones when late readings come.
 *
 * The trap is the order: this reads the frames by a consumer of its own, and a frame that is seen here may not be in
 * InfluxDB yet. So a window is computed only after the writer has acknowledged everything that JetStream held when its
 * computation was decided; and what is seen here afterwards for that window is late, and is noted.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "nats";
import type { Influx } from "../../engines/influx.js";
import { Backoff } from "../../platform/backoff.js";
import { messageOf } from "../../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";
import type { Registry as Metrics } from "../../platform/metrics.js";
import { createRollupStore } from "./compute.js";
import { countersIn } from "./counters.js";
import { startRollupTerm } from "./roller.js";
import type { RollupTerm } from "./roller.js";
import { openMarks } from "./marks.js";
import { holdTerm } from "./term.js";
import type { Term } from "./term.js";
import type { Sweeper } from "../retention/sweeper.js";

export interface RollupDeps {
  readonly nc: NatsConnection;
  readonly influx: Influx;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Who we are to the lease: stable across restarts of this deployment, different on every other. */
  readonly owner: string;
  /** Runs with the roller, under the same lease. */
  readonly sweeper?: Sweeper;
}

export interface RollupOptions {
  /** A minute is closed so long after its end: what comes meanwhile is not late. 15 s when not given. */
  readonly graceMs?: number;
  /** Late readings gather so long before their windows are computed again, so that one computation does for many. 10 s when not given. */
  readonly lateDelayMs?: number;
  /** How often there is a look at what is due. 1 s when not given. */
  readonly everyMs?: number;
  /** The time, ms; for tests that cannot wait for it. */
  readonly now?: () => number;
}

export function startRollups(deps: RollupDeps, options: RollupOptions = {}): Running & HasHealth {
  const { nc, influx, logger, metrics, owner, sweeper } = deps;
  const stopping = new AbortController();
  const backoff = new Backoff({ initialMs: 200, maxMs: 5_000 });
  const counted = countersIn(metrics);
  let term: RollupTerm | undefined;
  let waitingFor: string | undefined = "starting";

  async function serve(): Promise<void> {
    while (!stopping.signal.aborted) {
      let lease: Term | undefined;
      try {
        waitingFor = undefined;
        lease = await holdTerm(nc, "rollups", owner, logger, stopping.signal, (signal) =>
          sleep(1_000, undefined, { signal }),
        );
        const ended = AbortSignal.any([stopping.signal, lease.lost]);
        const marks = await openMarks(nc);
        const store = createRollupStore(influx);
        const held = lease;
        const parts = { nc, store, marks, logger, counted, holds: () => held.holds(), ...(sweeper && { sweeper }) };
        term = startRollupTerm(parts, options, ended);
        backoff.reset();
        await term.done;
        if (!stopping.signal.aborted) logger.warn({ lease: "rollups" }, "the lease is lost; another may roll up now");
      } catch (error) {
        if (stopping.signal.aborted) return;
        waitingFor = messageOf(error);
        logger.warn({ error: waitingFor }, "rollups could not start; trying again");
        await backoff.wait(stopping.signal).catch(() => undefined);
      } finally {
        term = undefined;
        // Without it the lease runs out by itself.
        await lease
          ?.release()
          .catch((error: unknown) => logger.debug({ error: messageOf(error) }, "lease not released"));
      }
    }
  }

  const done = serve();
  return {
    async stop() {
      stopping.abort();
      await done;
    },
    health: (): readonly PartHealth[] => {
      if (term !== undefined) return [term.health()];
      if (waitingFor === undefined) return [{ name: "rollups", state: "up", detail: "another process rolls up" }];
      return [{ name: "rollups", state: "degraded", detail: waitingFor }];
    },
  };
}
