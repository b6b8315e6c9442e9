import { describe, expect, test } from "vitest";
import { gather } from "../../../src/ingest/gateways/gather.js";
import type { Outcome } from "../../../src/ingest/ingest.js";
import { FleetlogError } from "../../../src/platform/errors.js";

const stored = (readings: number): Outcome => ({ kind: "stored", readings });
const failed: Outcome = { kind: "failed", error: new FleetlogError("UNAVAILABLE", "the storage does not answer") };
const refused: Outcome = { kind: "refused", refusal: { code: "INVALID_VALUE", message: "a: expected a number" } };

/** Answers the shares in the order given, last one first. */
function answers(outcomes: readonly Outcome[]): readonly Outcome[] {
  const told: Outcome[] = [];
  const names = outcomes.map((_, index) => `device ${index}`);
  const dones = gather(names, (outcome) => told.push(outcome));
  for (const [index, done] of [...dones.entries()].toReversed()) {
    expect(told).toEqual([]);
    done(outcomes[index] ?? failed);
  }
  return told;
}

describe("a message of several devices is answered once, after its last share", () => {
  test("stored, when all are", () => {
    expect(answers([stored(1), stored(2), stored(3)])).toEqual([stored(6)]);
  });

  test("to be sent again, when one was not stored", () => {
    expect(answers([stored(1), failed, refused])).toEqual([failed]);
  });

  test("refused, with the name of the one that was", () => {
    expect(answers([stored(1), refused, stored(1)])).toEqual([
      {
        kind: "refused",
        refusal: {
          code: "INVALID_VALUE",
          message: '2 of 3 devices are stored; "device 1" is not: a: expected a number',
        },
      },
    ]);
    expect(answers([refused, refused, stored(1)])).toMatchObject([
      { refusal: { message: expect.stringContaining('"device 1" is not, and 1 more: a:') as unknown } },
    ]);
    expect(answers([refused])).toEqual([refused]);
  });
});
