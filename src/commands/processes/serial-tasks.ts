import { Limiter } from "../../platform/limiter.js";

/** Tasks one after another for each key, many keys at once. */
export interface SerialTasks {
  /** Resolves when the task is taken, which is once fewer than `taken` are unfinished. Tasks must not reject. */
  add(key: string, task: () => Promise<void>): Promise<void>;
  /** Resolves when nothing is unfinished. */
  idle(): Promise<void>;
}

export function createSerialTasks(concurrent: number, taken: number): SerialTasks {
  const limiter = new Limiter(concurrent, taken);
  const last = new Map<string, Promise<void>>();
  const unfinished = new Set<Promise<void>>();

  async function after(before: Promise<void> | undefined, task: () => Promise<void>): Promise<void> {
    await before;
    await limiter.run(task);
  }

  return {
    async add(key, task) {
      while (unfinished.size >= taken) await Promise.race(unfinished);
      const done = after(last.get(key), task).finally(() => {
        unfinished.delete(done);
        if (last.get(key) === done) last.delete(key);
      });
      unfinished.add(done);
      last.set(key, done);
    },
    async idle() {
      while (unfinished.size > 0) await Promise.all(unfinished);
    },
  };
}
