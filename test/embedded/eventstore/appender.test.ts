import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAppender } from "../../../src/embedded/eventstore/semantics/appender.js";
import type { Appender } from "../../../src/embedded/eventstore/semantics/appender.js";
import type { Change, Outcome } from "../../../src/embedded/eventstore/semantics/changes.js";
import { Commits } from "../../../src/embedded/eventstore/semantics/commits.js";
import { readAll, readStream } from "../../../src/embedded/eventstore/semantics/read.js";
import type { ProposedEvent } from "../../../src/embedded/eventstore/storage/record.js";
import { openStore } from "../../../src/embedded/eventstore/storage/store.js";
import type { Store } from "../../../src/embedded/eventstore/storage/store.js";

/** Few ids and streams, so that retries, conflicts and half-retries are common. */
function event(n: number): ProposedEvent {
  const nothing = Buffer.alloc(0);
  return { id: Buffer.alloc(16, n), type: "t", contentType: "application/json", metadata: nothing, data: nothing };
}

const expected = fc.oneof(
  fc.constantFrom("any" as const, "no_stream" as const, "stream_exists" as const),
  fc.integer({ min: 0, max: 6 }),
);
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      stream: fc.constantFrom("a", "b", "c"),
      expected,
      events: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }).map((ids) => ids.map(event)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("delete" as const), stream: fc.constantFrom("a", "b"), expected }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("tombstone" as const), stream: fc.constant("c"), expected }),
  },
);

interface Result {
  readonly outcomes: readonly Outcome[];
  readonly log: readonly string[];
}

async function outcomes(run: (appender: Appender) => Promise<Outcome[]>): Promise<Result> {
  const path = await mkdtemp(join(tmpdir(), "fleetlog-appender-"));
  const store = openStore(path, { mapSizeBytes: 64 * 1024 * 1024, flush: "after-answer" });
  try {
    const outcomes = await run(createAppender(store, new Commits(store.lastPosition())));
    streamsAgreeWithLog(store);
    return { outcomes, log: logOf(store) };
  } finally {
    await store.close();
    await rm(path, { recursive: true });
  }
}

function logOf(store: Store): string[] {
  const all = [...readAll(store, { direction: "forwards", from: "start", maxCount: Infinity })].flat();
  // Ids of system events are random.
  return all.map(({ position, revision, stream, type, id }) =>
    [position, stream.toString(), revision, type.toString(), type.toString() === "t" ? id[0] : "-"].join(" "),
  );
}

/** Every stream in the log has the revisions 0, 1, 2 … in order, and what is read of it are its last. */
function streamsAgreeWithLog(store: Store): void {
  const next = new Map<string, number>();
  for (const { stream, revision } of [
    ...readAll(store, { direction: "forwards", from: "start", maxCount: Infinity }),
  ].flat()) {
    const name = stream.toString();
    expect(revision).toBe(next.get(name) ?? 0);
    next.set(name, revision + 1);
  }
  for (const name of ["a", "b"]) {
    const plan = { direction: "forwards", from: "start", maxCount: Infinity } as const;
    const read = [...(readStream(store, name, plan) ?? [])].flat().map(({ revision }) => revision);
    const first = read[0] ?? 0;
    expect(read).toEqual(read.map((_, n) => first + n));
    expect(read.length === 0 || read.at(-1) === (next.get(name) ?? 0) - 1).toBe(true);
  }
}

describe("the appender", () => {
  it("gives changes the same outcomes whether they come one by one or all at once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 30 }), async (changes) => {
        const oneByOne = await outcomes(async (appender) => {
          const all: Outcome[] = [];
          for (const change of changes) all.push(await appender.submit(change));
          return all;
        });
        const atOnce = await outcomes((appender) => Promise.all(changes.map((change) => appender.submit(change))));
        expect(atOnce).toEqual(oneByOne);
      }),
      { numRuns: 60 },
    );
  });
});
