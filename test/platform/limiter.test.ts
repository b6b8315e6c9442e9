import { once } from "node:events";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Limiter } from "../../src/platform/limiter.js";

/** A task that runs until it is told how to end. */
function held(limiter: Limiter, name: string, log: string[]) {
  const controller = new AbortController();
  const outcome = limiter.run(async () => {
    log.push(name);
    if (!controller.signal.aborted) await once(controller.signal, "abort");
    if (controller.signal.reason instanceof Error) throw controller.signal.reason;
    return name;
  });
  // Who is refused, or fails, is looked at by the test that expects it.
  outcome.catch(() => undefined);
  return { outcome, end: () => controller.abort("done"), fail: () => controller.abort(new Error(name)) };
}

function throwsAtOnce(): Promise<never> {
  throw new Error("at once");
}

describe("a limiter", () => {
  it("runs as many at once as it was told, and the rest in the order they came", async () => {
    const limiter = new Limiter(2, 10);
    const log: string[] = [];
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => held(limiter, name, log));
    expect(log).toEqual(["a", "b"]);
    b?.end();
    await b?.outcome;
    await expect.poll(() => log).toEqual(["a", "b", "c"]);
    a?.end();
    await expect.poll(() => log).toEqual(["a", "b", "c", "d"]);
    c?.end();
    d?.end();
    await expect(Promise.all([a?.outcome, c?.outcome, d?.outcome])).resolves.toEqual(["a", "c", "d"]);
  });

  it("refuses what comes when its queue is full, and says so", async () => {
    const limiter = new Limiter(1, 1);
    const log: string[] = [];
    const running = held(limiter, "running", log);
    const waiting = held(limiter, "waiting", log);
    await expect(limiter.run(() => Promise.resolve("too many"))).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      message: "1 requests are waiting already: slow down and try again",
    });
    running.end();
    waiting.end();
    await expect(waiting.outcome).resolves.toBe("waiting");
    await expect(limiter.run(() => Promise.resolve("room again"))).resolves.toBe("room again");
  });

  it("gives the place of a task that failed to the next", async () => {
    const limiter = new Limiter(1, 1);
    const log: string[] = [];
    const failing = held(limiter, "failing", log);
    const next = held(limiter, "next", log);
    failing.fail();
    await expect(failing.outcome).rejects.toThrow("failing");
    next.end();
    await expect(next.outcome).resolves.toBe("next");
  });

  it("counts a task that was handed its place: who comes later still waits", async () => {
    const limiter = new Limiter(1, 1);
    const log: string[] = [];
    const [first, second] = [held(limiter, "first", log), held(limiter, "second", log)];
    first.end();
    await expect.poll(() => log).toEqual(["first", "second"]);
    const third = held(limiter, "third", log);
    expect(log).toEqual(["first", "second"]);
    second.end();
    third.end();
    await expect(third.outcome).resolves.toBe("third");
  });

  it("counts a task that throws before it promises anything", async () => {
    const limiter = new Limiter(1, 0);
    await expect(limiter.run(throwsAtOnce)).rejects.toThrow("at once");
    await expect(limiter.run(() => Promise.resolve("free"))).resolves.toBe("free");
  });

  it("never runs more than it may, and loses none, whatever they do", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.tuple(fc.nat({ max: 3 }), fc.boolean()), { maxLength: 30 }),
        async (concurrent, tasks) => {
          const limiter = new Limiter(concurrent, tasks.length);
          let running = 0;
          let most = 0;
          const outcomes = tasks.map(([turns, fails]) =>
            limiter.run(async () => {
              running += 1;
              most = Math.max(most, running);
              for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
              running -= 1;
              if (fails) throw new Error("failed");
            }),
          );
          const settled = await Promise.allSettled(outcomes);
          expect(settled.map(({ status }) => status === "rejected")).toEqual(tasks.map(([, fails]) => fails));
          expect(most).toBeLessThanOrEqual(concurrent);
          expect(running).toBe(0);
        },
      ),
    );
  });
});
