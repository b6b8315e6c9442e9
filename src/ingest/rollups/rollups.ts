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
import type { Marks } from "./marks.js";
import type { RollupOptions } from "./options.js";
import { openOwed } from "./owed.js";
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
        const over = new AbortController();
        const ended = AbortSignal.any([stopping.signal, lease.lost, over.signal]);
        const marks = await openMarks(nc);
        const store = createRollupStore(influx);
        const held = lease;
        const owed = await openOwed(marks);
        const started = startRollupTerm(
          { nc, store, marks, owed, logger, counted, holds: () => held.holds() },
          options,
          ended,
        );
        term = started;
        const sweeping = sweeper === undefined ? undefined : sweepOn(sweeper, sealedFor(started, marks), ended);
        backoff.reset();
        try {
          await started.done;
        } finally {
          // The lease goes when nothing is under way any more.
          over.abort();
          await sweeping;
        }
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

  /** By itself: a deletion may take hours, and minutes are closed meanwhile. */
  async function sweepOn(its: Sweeper, marks: Marks, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      try {
        await its.sweep(marks, ended);
        await sleep(options.everyMs ?? 1_000, undefined, { signal: ended });
      } catch (error) {
        if (ended.aborted) return;
        logger.warn({ error: messageOf(error) }, "retention stands still; trying again");
        await backoff.wait(ended).catch(() => undefined);
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

/** What is sealed may be deleted: no correction is under way any more that has looked at the marks before. */
function sealedFor(term: Pick<RollupTerm, "corrected">, marks: Marks): Marks {
  return {
    ...marks,
    async seal(tenant, swept) {
      await marks.seal(tenant, swept);
      await term.corrected();
    },
  };
}
