import type { Running } from "../../platform/lifecycle.js";

/** Runs `task` every so many ms, one run at a time, until stopped; `after` is told of each run's error, or undefined when there was none. */
export function repeat(everyMs: number, task: () => Promise<void>, after: (error: unknown) => void): Running {
  let running: Promise<void> | undefined;

  async function once(): Promise<void> {
    try {
      await task();
      after(undefined);
    } catch (error) {
      after(error);
    } finally {
      running = undefined;
    }
  }

  const timer = setInterval(() => {
    running ??= once();
  }, everyMs);
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
