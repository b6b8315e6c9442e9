import { afterEach, describe, expect, it, vi } from "vitest";
import { Backoff } from "../../src/platform/backoff.js";

afterEach(() => vi.restoreAllMocks());

/** The longest delays that could come: the ceiling of each try. */
function ceilings(backoff: Backoff, tries: number): readonly number[] {
  vi.spyOn(Math, "random").mockReturnValue(1 - Number.EPSILON);
  return Array.from({ length: tries }, () => backoff.next());
}

describe("a back-off", () => {
  it("doubles its ceiling with every failure, up to the most it may wait", () => {
    expect(ceilings(new Backoff({ initialMs: 100, maxMs: 1_000 }), 6)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it("waits from 100 ms to 10 s where nothing is said", () => {
    expect(ceilings(new Backoff(), 9)).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  });

  it("stays finite and bounded after any number of failures", () => {
    expect(ceilings(new Backoff({ initialMs: 1, maxMs: 5_000 }), 5_000).at(-1)).toBe(5_000);
  });

  it("spreads those who failed together over the whole of the ceiling", () => {
    const delays = Array.from({ length: 2_000 }, () => new Backoff({ initialMs: 1_000 }).next());
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1_000);
    expect(new Set(delays.map((delay) => Math.floor(delay / 101))).size).toBe(10);
  });

  it("counts failures, and begins anew once it worked", () => {
    const backoff = new Backoff({ initialMs: 100 });
    expect(ceilings(backoff, 3)).toEqual([100, 200, 400]);
    expect(backoff.failures).toBe(3);
    backoff.reset();
    expect(backoff.failures).toBe(0);
    expect(backoff.next()).toBe(100);
  });

  it("stops waiting when its signal says so", async () => {
    const backoff = new Backoff({ initialMs: 3_600_000, maxMs: 3_600_000 });
    const controller = new AbortController();
    const waiting = backoff.wait(controller.signal);
    controller.abort(new Error("stopping"));
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
  });

  it("waits, and counts the wait as a failure", async () => {
    const backoff = new Backoff({ initialMs: 1 });
    await backoff.wait();
    expect(backoff.failures).toBe(1);
  });
});
