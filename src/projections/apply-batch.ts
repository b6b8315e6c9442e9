import type { Collection } from "mongodb";
import type { Recorded } from "../events/index.js";
import type { ReadModelDocument } from "./document.js";
import type { Projection } from "./projection.js";

const DUPLICATE_KEY = 11_000;

/** A defect in a projection, or an event it cannot take: the runner stops on it, because trying again would change nothing. */
export class PoisonEvent extends Error {
  constructor(projection: string, event: Recorded, cause: unknown) {
    super(
      `projection ${projection} cannot take event ${event.type} ${event.id} at ${event.streamId}@${event.revision}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
    this.name = "PoisonEvent";
  }
}

/**
 * Folds a batch into documents in memory (one read and one write per document, however many events it has) and
 * writes them in one unordered bulk, each guarded by its revision: what a replay or a second runner brings again matches nothing.
 * Returns the documents that changed.
 */
export async function applyBatch(
  projection: Projection,
  collection: Collection<ReadModelDocument>,
  events: readonly Recorded[],
): Promise<readonly ReadModelDocument[]> {
  const ids = [...new Set(events.map((event) => projection.documentId(event)))];
  const before = new Map<string, ReadModelDocument>();
  for (const document of await collection.find({ _id: { $in: ids } }).toArray()) before.set(document._id, document);

  const after = new Map<string, ReadModelDocument>();
  for (const event of events) {
    const id = projection.documentId(event);
    const current = after.get(id) ?? before.get(id);
    if (current !== undefined && event.revision <= current.revision) continue;
    const next = evolve(projection, current, event);
    if (next !== undefined) after.set(id, next);
  }
  if (after.size === 0) return [];
  await write(collection, [...after.values()]);
  return [...after.values()];
}

function evolve(
  projection: Projection,
  current: ReadModelDocument | undefined,
  event: Recorded,
): ReadModelDocument | undefined {
  try {
    return projection.evolve(current, event);
  } catch (error) {
    throw new PoisonEvent(projection.name, event, error);
  }
}

/** As a command of its own: the driver's bulkWrite costs several times as much per document, for the same message. */
async function write(
  collection: Collection<ReadModelDocument>,
  documents: readonly ReadModelDocument[],
): Promise<void> {
  const updates = documents.map(({ _id, ...replacement }) => {
    return { q: { _id, revision: { $lt: replacement.revision } }, u: replacement, upsert: true };
  });
  const answer = await collection.db.command({ update: collection.collectionName, updates, ordered: false });
  const refused = (answer["writeErrors"] ?? []) as readonly WriteError[];
  const real = refused.find((error) => !isOvertaken(error));
  if (real !== undefined) throw new Error(`the document store refused a write: ${real.errmsg}`);
}

interface WriteError {
  readonly code: number;
  readonly errmsg: string;
}

/** The document is there and its revision is no lower, so the upsert met its id: another runner has written what we would have, or more. */
function isOvertaken({ code, errmsg }: WriteError): boolean {
  return code === DUPLICATE_KEY && errmsg.includes("_id");
}
