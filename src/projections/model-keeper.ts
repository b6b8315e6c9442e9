import { setTimeout as sleep } from "node:timers/promises";
import { Backoff } from "../platform/backoff.js";
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
  let retiring: Promise<void> = Promise.resolve();

  const moved = () => tellShown(nats, name, live);
  let notifier = await generations.number(name);
  const start = (generation: number) =>
    followModel(deps, projection, generation, { notify: () => notifier === generation, moved });
  live = [await start(notifier)];

  async function build(first: RebuildDocument): Promise<void> {
    const { generation } = first;
    let progress = first;
    const next = await start(generation);
    const saving = setInterval(() => {
      progress = { ...progress, events: next.eventsHandled };
      rebuilds
        .save(progress)
        .catch((error: unknown) => logger.warn({ error: messageOf(error) }, "rebuild progress not saved"));
    }, PROGRESS_MS);
    try {
      await next.caughtUp;
      while (!overtakes(next, live)) await sleep(10, undefined, { signal: stopping.signal });
      clearInterval(saving);
      await swap(next, generation);
      const finishedAt = new Date().toISOString();
      await rebuilds.save({ ...progress, state: "DONE", events: next.eventsHandled, finishedAt });
      logger.info({ generation, events: next.eventsHandled }, "rebuilt and swapped in");
    } catch (error) {
      clearInterval(saving);
      // A stopped projector leaves the rebuild as RUNNING, and one that was swapped in is done: the next projector sees to it.
      if (stopping.signal.aborted || notifier === generation) return;
      await next.stop();
      logger.error({ error: messageOf(error) }, "the rebuild failed; the live read model is untouched");
      const finishedAt = new Date().toISOString();
      await rebuilds.save({ ...progress, state: "FAILED", error: messageOf(error), finishedAt });
    }
  }

  /** From here on there is no way back: where the pointer could not be moved, whether it was is not known, so it is tried until it is. */
  async function swap(next: Follower, generation: number): Promise<void> {
    const old = live;
    const oldGeneration = notifier;
    const backoff = new Backoff({ initialMs: 100, maxMs: 2_000 });
    live = [...old, next];
    for (let moved = false; !moved;) {
      try {
        await generations.swap(name, generation);
        moved = true;
      } catch (error) {
        logger.warn({ error: messageOf(error) }, "the pointer to the live read model could not be moved; trying again");
        await backoff.wait(stopping.signal);
      }
    }
    notifier = generation;
    retiring = retire(old, oldGeneration, next);
  }

  async function retire(old: readonly Follower[], generation: number, next: Follower): Promise<void> {
    await sleep(READERS_FOLLOW_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    // Somebody may still read it: the next start removes it.
    if (stopping.signal.aborted) return;
    for (const follower of old) await follower.stop();
    live = [next];
    await remove(generation).catch((error: unknown) =>
      logger.warn({ generation, error: messageOf(error) }, "an old read model was not removed; the next start does it"),
    );
  }

  async function remove(generation: number): Promise<void> {
    await generations.collection(name, generation).drop();
    await checkpoints.remove(checkpointName(name, generation));
  }

  function begin(rebuild: RebuildDocument): void {
    rebuilding = build(rebuild).finally(() => {
      rebuilding = undefined;
    });
  }

  // What an earlier projector was stopped from removing.
  if (notifier > 1) await remove(notifier - 1);
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
      await retiring;
      // What an earlier, failed rebuild may have left.
      await remove(generation);
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
      await retiring;
    },
  };
}

function overtakes(next: Follower, live: readonly Follower[]): boolean {
  return live.every(({ position }) => position === undefined || (next.position?.commit ?? -1n) >= position.commit);
}
