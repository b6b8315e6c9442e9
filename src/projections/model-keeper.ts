import { setTimeout as sleep } from "node:timers/promises";
import { FleetlogError, messageOf } from "../platform/errors.js";
import type { HasHealth, PartHealth, Running } from "../platform/lifecycle.js";
import type { Follower } from "./follower.js";
import { checkpointName } from "./generations.js";
import type { ModelDeps } from "./live-model.js";
import { followModel, tellShown } from "./live-model.js";
import type { Projection } from "./projection.js";
import type { RebuildDocument, Rebuilds } from "./rebuilds.js";

/** Readers look at the pointer at least once a second: by now nobody reads the old generation any more. */
const READERS_FOLLOW_MS = 3_000;
const PROGRESS_MS = 500;

export interface ModelKeeper extends Running, HasHealth {
  /** Begins to build the next generation beside the live one. Throws CONFLICT while one is being built. */
  rebuild(): Promise<RebuildDocument>;
}

/** Keeps one read model: its live generation, and the next one while it is rebuilt. */
export async function keepModel(
  deps: ModelDeps & { readonly rebuilds: Rebuilds },
  projection: Projection,
): Promise<ModelKeeper> {
  const { name } = projection;
  const { rebuilds, generations, checkpoints, nats } = deps;
  const logger = deps.logger.child({ projection: name });
  const stopping = new AbortController();
  /** The generations that someone may be reading: one, but for a moment around a swap. */
  let live: readonly Follower[] = [];
  let rebuilding: Promise<void> | undefined;

  const moved = () => tellShown(nats, name, live);
  let notifier = await generations.number(name);
  const start = (generation: number) =>
    followModel(deps, projection, generation, { notify: () => notifier === generation, moved });
  live = [await start(notifier)];

  async function build(first: RebuildDocument): Promise<void> {
    const { generation } = first;
    let progress = first;
    const next = await start(generation);
    try {
      const saving = setInterval(() => {
        progress = { ...progress, events: next.eventsHandled };
        rebuilds
          .save(progress)
          .catch((error: unknown) => logger.warn({ error: messageOf(error) }, "rebuild progress not saved"));
      }, PROGRESS_MS);
      try {
        await next.caughtUp;
        while (!overtakes(next, live)) await sleep(10, undefined, { signal: stopping.signal });
      } finally {
        clearInterval(saving);
      }
      await swap(next, generation);
      await rebuilds.save({
        ...progress,
        state: "DONE",
        events: next.eventsHandled,
        finishedAt: new Date().toISOString(),
      });
      logger.info({ generation, events: next.eventsHandled }, "rebuilt and swapped in");
    } catch (error) {
      await next.stop();
      // A stopped projector leaves the rebuild as RUNNING: the next one goes on with it.
      if (stopping.signal.aborted) return;
      logger.error({ error: messageOf(error) }, "the rebuild failed; the live read model is untouched");
      await rebuilds.save({
        ...progress,
        state: "FAILED",
        error: messageOf(error),
        finishedAt: new Date().toISOString(),
      });
    }
  }

  async function swap(next: Follower, generation: number): Promise<void> {
    const old = live;
    const oldGeneration = notifier;
    live = [...old, next];
    notifier = generation;
    await generations.swap(name, generation);
    await sleep(READERS_FOLLOW_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    for (const follower of old) await follower.stop();
    live = [next];
    await generations.collection(name, oldGeneration).drop();
    await checkpoints.remove(checkpointName(name, oldGeneration));
  }

  function begin(rebuild: RebuildDocument): void {
    rebuilding = build(rebuild).finally(() => {
      rebuilding = undefined;
    });
  }

  const unfinished = await rebuilds.find(name);
  if (unfinished?.state === "RUNNING") {
    if (unfinished.generation > notifier) begin(unfinished);
    else await rebuilds.save({ ...unfinished, state: "DONE", finishedAt: new Date().toISOString() });
  }

  return {
    async rebuild() {
      if (rebuilding !== undefined)
        throw new FleetlogError("CONFLICT", `${name} is being rebuilt already: wait for it`);
      const generation = notifier + 1;
      // What an earlier, failed rebuild may have left.
      await generations.collection(name, generation).drop();
      await checkpoints.remove(checkpointName(name, generation));
      const rebuild: RebuildDocument = {
        _id: name,
        state: "RUNNING",
        generation,
        events: 0,
        startedAt: new Date().toISOString(),
      };
      await rebuilds.save(rebuild);
      begin(rebuild);
      return rebuild;
    },
    health(): readonly PartHealth[] {
      return live.flatMap((follower) => follower.health().map((part) => ({ ...part, name: `projection ${name}` })));
    },
    async stop() {
      stopping.abort();
      await Promise.all(live.map((follower) => follower.stop()));
      await rebuilding;
    },
  };
}

function overtakes(next: Follower, live: readonly Follower[]): boolean {
  return live.every(({ position }) => position === undefined || (next.position?.commit ?? -1n) >= position.commit);
}
