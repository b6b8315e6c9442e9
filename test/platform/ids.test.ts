import { describe, expect, it } from "vitest";
import { derivedId, newId } from "../../src/platform/ids.js";

describe("a derived id", () => {
  // Written down, not computed: were one of these to change, every retry and every replay would mint new ids.
  it.each([
    ["3ca145de-0d09-5a6d-b0fb-eecd14347662", ["0192f0c1-1111-7abc-8def-000000000001", 0]],
    ["03034e23-0ef6-51e2-b057-05215c29ab47", ["0192f0c1-1111-7abc-8def-000000000001", 1]],
    [
      "1db70665-a646-5989-af78-2950f8d72e14",
      ["alert", "0192f0c1-9a8b-7c6d-9e4f-3a2b1c0d9e8f", "acme", "press-1", 1_768_478_400_000],
    ],
    ["8cc85b89-537c-5ada-ba74-d5fff53366f8", []],
  ] as const)("is %s for %j, for ever", (id, parts) => {
    expect(derivedId(...parts)).toBe(id);
  });

  it("keeps its parts apart", () => {
    expect(new Set([derivedId("ab", "c"), derivedId("a", "bc"), derivedId("abc"), derivedId("abc", "")]).size).toBe(4);
  });

  it("depends on their order", () => {
    expect(derivedId("a", "b")).not.toBe(derivedId("b", "a"));
  });

  it("is a UUID of version 5", () => {
    expect(derivedId("a")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u);
  });
});

describe("a new id", () => {
  it("is a UUID of version 7", () => {
    expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u);
  });

  it("is new, and sorts after those before it", () => {
    const ids = Array.from({ length: 1_000 }, newId);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
