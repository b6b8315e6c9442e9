import { describe, expect, test } from "vitest";
import { Lane } from "../../../src/ingest/gateways/lane.js";
import { deferred } from "../../../src/platform/deferred.js";
import { waitFor } from "../../support/wait-for.js";

describe("a lane", () => {
  test("runs at once what need not wait, and keeps the order behind what must", async () => {
    const lane = new Lane(10);
    const ran: number[] = [];
    const gate = deferred<void>();
    lane.run(() => void ran.push(1));
    expect(ran).toEqual([1]);
    lane.run(async () => {
      await gate.promise;
      ran.push(2);
    });
    lane.run(() => void ran.push(3));
    expect(ran).toEqual([1]);
    gate.resolve();
    await waitFor(() => ran.length === 3);
    expect(ran).toEqual([1, 2, 3]);
    await waitFor(() => {
      const before = ran.length;
      lane.run(() => void ran.push(4));
      return ran.length > before;
    });
  });

  test("takes no more than its bound, and forgets what waits when told", async () => {
    const lane = new Lane(2);
    const gate = deferred<void>();
    const ran: number[] = [];
    expect(lane.run(() => gate.promise)).toBe(true);
    expect([1, 2, 3].map((n) => lane.run(() => void ran.push(n)))).toEqual([true, true, false]);
    lane.clear();
    gate.resolve();
    await gate.promise;
    await waitFor(() => lane.run(() => void ran.push(4)) && ran.includes(4));
    expect(ran.every((n) => n === 4)).toBe(true);
  });
});
