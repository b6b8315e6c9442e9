import type { EventStoreDBClient } from "@eventstore/db-client";
import type { Db } from "mongodb";
import type { NatsConnection } from "nats";
import type { AlertEvent } from "../domain/alert/index.js";
import { categories, readAggregateEvents } from "../events/index.js";
import type { Recorded } from "../events/index.js";
import { Backoff } from "../platform/backoff.js";
import { FleetlogError, isFleetlogError, messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import { Lifecycle } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { subjects } from "../platform/subjects.js";
import { createCheckpoints } from "./checkpoints.js";
import { follow } from "./follower.js";
import type { Follower } from "./follower.js";
import { createGenerations } from "./generations.js";
import { ensureEventsStream, foldAlert, publishEvents } from "./integrators/publisher.js";
import type { Lease } from "./lease.js";
import { holdLease } from "./lease.js";
import type { ModelKeeper } from "./model-keeper.js";
import { keepModel } from "./model-keeper.js";
import { projections } from "./projections.js";
import { createRebuilds } from "./rebuilds.js";

export interface ProjectorDeps {
  readonly client: EventStoreDBClient;
  readonly db: Db;
  readonly nats: NatsConnection;
  readonly logger: Logger;
  /** Who we are to the lease: stable across restarts of this deployment, different on every other. */
  readonly owner: string;
}

/** What one term of the lease runs. */
interface Term {
  readonly running: Running;
  health(): readonly PartHealth[];
}

/**
 * Feeds every read model, and the integrators' subjects, from the log. One projector works at a time: others wait for
 * its lease. Each model follows the log by itself, so that one which stands still holds up no other.
 */
export function startProjector(deps: ProjectorDeps): Running & HasHealth {
  const { db, logger, owner } = deps;
  const stopping = new AbortController();
  const backoff = new Backoff({ initialMs: 200, maxMs: 2_000 });
  let term: Term | undefined;
  let waitingFor = "starting";

  async function serve(): Promise<void> {
    while (!stopping.signal.aborted) {
      let lease: Lease | undefined;
      try {
        waitingFor = "waiting for the lease of another projector";
        lease = await holdLease(db, "projector", owner, logger, stopping.signal, (signal) => backoff.wait(signal));
        term = await startTerm(deps, lease.token);
        backoff.reset();
        await aborted(AbortSignal.any([stopping.signal, lease.lost]));
      } catch (error) {
        if (stopping.signal.aborted) return;
        waitingFor = messageOf(error);
        logger.warn({ error: waitingFor }, "the projector could not start; trying again");
        await backoff.wait(stopping.signal).catch(() => undefined);
      } finally {
        await term?.running.stop();
        term = undefined;
        await lease
          ?.release()
          .catch((error: unknown) =>
            logger.warn({ error: messageOf(error) }, "lease not released; it runs out by itself"),
          );
      }
    }
  }

  const done = serve();
  return {
    health: () => term?.health() ?? [{ name: "projector", state: "degraded", detail: waitingFor }],
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

async function startTerm(deps: ProjectorDeps, fence: number): Promise<Term> {
  const { client, db, nats, logger } = deps;
  const lifecycle = new Lifecycle(logger);
  const generations = createGenerations(db);
  const shared = {
    client,
    nats,
    logger,
    fence,
    generations,
    checkpoints: createCheckpoints(db),
    rebuilds: createRebuilds(db),
  };
  const keepers = new Map<string, ModelKeeper>();
  try {
    const integrators = lifecycle.add("integrators", await followForIntegrators(deps, fence));
    for (const projection of projections) {
      keepers.set(projection.name, lifecycle.add(projection.name, await keepModel(shared, projection)));
    }
    lifecycle.add("rebuild requests", serveRebuilds(nats, keepers, logger));
    return {
      running: lifecycle,
      health: () => [...keepers.values(), integrators].flatMap((part) => part.health()),
    };
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

async function followForIntegrators({ client, db, nats, logger }: ProjectorDeps, fence: number): Promise<Follower> {
  await ensureEventsStream(await nats.jetstreamManager());
  const loadAlert = async (event: Recorded<AlertEvent>) => {
    const events: Recorded<AlertEvent>[] = [];
    for await (const each of readAggregateEvents(client, event.streamId, { limit: event.revision + 1 })) {
      events.push(each as Recorded<AlertEvent>);
    }
    return foldAlert(events);
  };
  return follow(
    { client, checkpoints: createCheckpoints(db), logger, fence },
    { name: "integrators", categories, handle: (batch) => publishEvents(nats, batch.events, loadAlert) },
  );
}

function serveRebuilds(nats: NatsConnection, keepers: ReadonlyMap<string, ModelKeeper>, logger: Logger): Running {
  async function answer(name: string): Promise<object> {
    try {
      const keeper = keepers.get(name);
      if (keeper === undefined) {
        throw new FleetlogError(
          "NOT_FOUND",
          `there is no projection ${JSON.stringify(name)}: there are ${[...keepers.keys()].join(", ")}`,
        );
      }
      return await keeper.rebuild();
    } catch (error) {
      if (!isFleetlogError(error)) logger.error({ error: messageOf(error) }, "rebuild request failed");
      const code = isFleetlogError(error) ? error.code : "INTERNAL";
      return { refused: { code, message: messageOf(error) } };
    }
  }
  const subscription = nats.subscribe(subjects.rebuild);
  async function serve(): Promise<void> {
    for await (const request of subscription) request.respond(JSON.stringify(await answer(request.string())));
  }
  const done = serve();
  return {
    async stop() {
      subscription.unsubscribe();
      await done;
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
