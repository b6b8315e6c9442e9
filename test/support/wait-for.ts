import { setTimeout as sleep } from "node:timers/promises";

/**
 * Waits until `condition` gives something that is neither `undefined` nor `false`, and returns it.
 * The deadline only ends a test whose condition never comes; no test passes or fails on how long it took.
 */
export async function waitFor<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  { what = "the condition", deadlineMs = 60_000, everyMs = 20 } = {},
): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const outcome = await condition();
    if (outcome !== undefined && outcome !== false) return outcome;
    if (Date.now() > end) throw new Error(`waited ${deadlineMs} ms for ${what}, in vain`);
    await sleep(everyMs);
  }
}
