import { describe, expect, it } from "vitest";
import { Lifecycle } from "../../src/platform/lifecycle.js";
import { silentLogger } from "../../src/platform/logger.js";

/** A part that writes down when it begins and ends to stop. */
function part(name: string, log: string[]) {
  return {
    async stop() {
      log.push(`${name} stops`);
      await Promise.resolve();
      log.push(`${name} stopped`);
    },
  };
}

describe("a lifecycle", () => {
  it("stops in reverse, each after the one before it is done: doors before pipes before engines", async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle(silentLogger);
    for (const name of ["engine", "pipe", "door"]) lifecycle.add(name, part(name, log));
    await lifecycle.stop();
    expect(log).toEqual(["door stops", "door stopped", "pipe stops", "pipe stopped", "engine stops", "engine stopped"]);
  });

  it("gives back what it was given, so that starting reads as one line", () => {
    const door = part("door", []);
    expect(new Lifecycle(silentLogger).add("door", door)).toBe(door);
  });

  it("stops once, and lets everyone who asks wait for the same end", async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle(silentLogger);
    lifecycle.add("door", part("door", log));
    await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    await lifecycle.stop();
    expect(log).toEqual(["door stops", "door stopped"]);
  });

  it("goes on stopping when one cannot", async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle(silentLogger);
    lifecycle.add("engine", part("engine", log));
    lifecycle.add("stuck", { stop: () => Promise.reject(new Error("stuck")) });
    lifecycle.add("broken", {
      stop: () => {
        throw new Error("broken");
      },
    });
    await lifecycle.stop();
    expect(log).toEqual(["engine stops", "engine stopped"]);
  });

  it("stops what comes up while the rest goes down, before what was there first", async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle(silentLogger);
    lifecycle.add("engine", part("engine", log));
    lifecycle.add("door", {
      async stop() {
        log.push("door stops");
        await Promise.resolve();
        lifecycle.add("late", part("late", log));
      },
    });
    await lifecycle.stop();
    expect(log).toEqual(["door stops", "late stops", "late stopped", "engine stops", "engine stopped"]);
  });

  it("stops what comes up after the end", async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle(silentLogger);
    await lifecycle.stop();
    lifecycle.add("late", part("late", log));
    await lifecycle.stop();
    expect(log).toEqual(["late stops", "late stopped"]);
  });
});
