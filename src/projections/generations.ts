import type { Collection, Db } from "mongodb";
import type { ReadModelDocument } from "./document.js";

interface GenerationDocument {
  readonly _id: string;
  readonly generation: number;
}

/** How long a process may read the old collection after a swap; the old one is dropped well after that. */
const REFRESH_MS = 1_000;

/**
 * Which collection of a read model is the live one. A rebuild fills the next generation beside it and then moves
 * the pointer: readers follow within a second, and nobody ever sees a half-built model.
 */
export interface Generations {
  /** The live collection, for reading. */
  current<D extends ReadModelDocument>(name: string): Promise<Collection<D>>;
  number(name: string): Promise<number>;
  collection<D extends ReadModelDocument>(name: string, generation: number): Collection<D>;
  swap(name: string, generation: number): Promise<void>;
}

export function createGenerations(db: Db): Generations {
  const pointers = db.collection<GenerationDocument>("generations");
  const known = new Map<string, { readonly generation: number; readonly readAt: number }>();

  async function number(name: string): Promise<number> {
    const cached = known.get(name);
    if (cached !== undefined && Date.now() - cached.readAt < REFRESH_MS) return cached.generation;
    const generation = (await pointers.findOne({ _id: name }))?.generation ?? 1;
    known.set(name, { generation, readAt: Date.now() });
    return generation;
  }

  function collection<D extends ReadModelDocument>(name: string, generation: number): Collection<D> {
    return db.collection<D>(`${name}_${generation}`);
  }

  return {
    number,
    collection,
    async current(name) {
      return collection(name, await number(name));
    },
    async swap(name, generation) {
      await pointers.updateOne({ _id: name }, { $set: { generation } }, { upsert: true });
      known.set(name, { generation, readAt: Date.now() });
    },
  };
}

/** Each generation has its own checkpoint: the live model goes on while the next one is built. */
export function checkpointName(name: string, generation: number): string {
  return `${name}_${generation}`;
}
