import type { EventStoreDBClient } from "@eventstore/db-client";
import type { NatsConnection } from "nats";
import type { LogPosition } from "../events/index.js";
import type { Logger } from "../platform/logger.js";
import { subjects } from "../platform/subjects.js";
import { applyBatch } from "./apply-batch.js";
import type { Checkpoints } from "./checkpoints.js";
import type { ReadModelDocument } from "./document.js";
import { follow } from "./follower.js";
import type { Follower } from "./follower.js";
import { checkpointName } from "./generations.js";
import type { Generations } from "./generations.js";
import type { Projection } from "./projection.js";

export interface ModelDeps {
  readonly client: EventStoreDBClient;
  readonly nats: NatsConnection;
  readonly checkpoints: Checkpoints;
  readonly generations: Generations;
  readonly logger: Logger;
  readonly fence: number;
}

/** Fills one generation of a read model from the log. `notify` says, at each batch, whether the world is told of the changes. */
export async function followModel(
  deps: ModelDeps,
  projection: Projection,
  generation: number,
  options: { readonly notify: () => boolean; readonly moved: () => void },
): Promise<Follower> {
  const collection = deps.generations.collection<ReadModelDocument>(projection.name, generation);
  if (projection.indexes.length > 0) await collection.createIndexes([...projection.indexes]);
  return follow(deps, {
    name: checkpointName(projection.name, generation),
    categories: [projection.category],
    async handle(batch) {
      const changed = await applyBatch(projection, collection, batch.events);
      if (options.notify()) tell(deps.nats, projection, changed);
    },
    handled: options.moved,
  });
}

/** After the write, so that whoever is told of a change can query it. */
function tell(nats: NatsConnection, { entity }: Projection, changed: readonly ReadModelDocument[]): void {
  for (const document of changed) {
    // `_id` of tenant-scoped models is `{tenant}/{id}`, of the others the id itself.
    const id = document._id.slice(document._id.indexOf("/") + 1);
    nats.publish(subjects.changed(entity, document.tenantId, id), JSON.stringify({ entity, id, document }));
  }
}

/** Tells how far a read model shows the log: as far as the slowest of the generations that someone may be reading. */
export function tellShown(nats: NatsConnection, name: string, followers: readonly Follower[]): void {
  let shown: LogPosition | undefined;
  for (const { position } of followers) {
    if (position === undefined) return;
    if (shown === undefined || position.commit < shown.commit) shown = position;
  }
  if (shown === undefined) return;
  nats.publish(subjects.shown(name), JSON.stringify({ projection: name, commit: shown.commit.toString() }));
}
