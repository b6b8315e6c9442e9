import { describe, expect, it } from "vitest";
import { withDeadline } from "../../src/platform/deadline.js";

describe("a deadline", () => {
  it("gives what the work gives, and fails as it fails", async () => {
    await expect(withDeadline(Promise.resolve(7), 10_000, "counting")).resolves.toBe(7);
    await expect(withDeadline(Promise.reject(new Error("no")), 10_000, "counting")).rejects.toThrow("no");
  });

  it("ends the wait for work that never settles, and says what it was", async () => {
    const never = new Promise<number>(() => {});
    await expect(withDeadline(never, 5, "counting")).rejects.toThrow("counting took longer than 5 ms");
  });
});
