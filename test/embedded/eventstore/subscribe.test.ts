import { END, START, eventTypeFilter, excludeSystemEvents, jsonEvent, streamNameFilter } from "@eventstore/db-client";
import type {
  AllStreamSubscription,
  EventStoreDBClient,
  Filter,
  Position,
  StreamSubscription,
} from "@eventstore/db-client";
import { describe, expect, it, onTestFinished } from "vitest";
import { waitFor } from "../../support/wait-for.js";
import { counted, started } from "./start.js";

interface Seen {
  readonly label: string;
  readonly position: bigint;
}

/** Collects what a subscription brings, in order: events as `stream@revision`, and `caught up`. */
function collect(subscription: AllStreamSubscription | StreamSubscription): Seen[] {
  const seen: Seen[] = [];
  onTestFinished(() => subscription.unsubscribe());
  // Both kinds bring the same shape.
  const events = subscription as AllStreamSubscription;
  events.on("caughtUp", () => seen.push({ label: "caught up", position: -1n }));
  events.on("data", ({ event, commitPosition }) =>
    seen.push({ label: `${event?.streamId}@${event?.revision}`, position: commitPosition ?? -1n }),
  );
  return seen;
}

const labels = (seen: readonly Seen[]): string[] => seen.map(({ label }) => label);

async function seenUntil(seen: readonly Seen[], label: string): Promise<string[]> {
  await waitFor(() => labels(seen).includes(label), { what: `${label} among ${labels(seen).slice(-5).join()}` });
  return labels(seen);
}

describe("a subscription to a stream", () => {
  it("brings what is there, says that it has caught up, and goes on", async () => {
    const { client } = await started();
    await client.appendToStream("s", counted(2));
    const seen = collect(client.subscribeToStream("s"));
    await seenUntil(seen, "caught up");
    await client.appendToStream("other", counted(1));
    await client.appendToStream("s", counted(2));
    expect(await seenUntil(seen, "s@3")).toEqual(["s@0", "s@1", "caught up", "s@2", "s@3"]);
  });

  it("may come before its stream", async () => {
    const { client } = await started();
    const seen = collect(client.subscribeToStream("later"));
    await seenUntil(seen, "caught up");
    await client.appendToStream("later", counted(1));
    expect(await seenUntil(seen, "later@0")).toEqual(["caught up", "later@0"]);
  });

  it("starts after a revision, or at the end", async () => {
    const { client } = await started();
    await client.appendToStream("s", counted(4));
    const after = collect(client.subscribeToStream("s", { fromRevision: 1n }));
    const end = collect(client.subscribeToStream("s", { fromRevision: END }));
    await seenUntil(after, "caught up");
    await seenUntil(end, "caught up");
    await client.appendToStream("s", counted(1));
    expect(await seenUntil(after, "s@4")).toEqual(["s@2", "s@3", "caught up", "s@4"]);
    expect(await seenUntil(end, "s@4")).toEqual(["caught up", "s@4"]);
  });
});

describe("a subscription to $all", () => {
  it("starts at the start, after a position, or at the end", async () => {
    const { client } = await started();
    await client.appendToStream("a", counted(1));
    const { position } = await client.appendToStream("b", counted(1));
    await client.appendToStream("c", counted(1));
    const start = collect(client.subscribeToAll({ fromPosition: START }));
    const after = collect(client.subscribeToAll({ fromPosition: position ?? START }));
    const end = collect(client.subscribeToAll({ fromPosition: END }));
    for (const seen of [start, after, end]) await seenUntil(seen, "caught up");
    await client.appendToStream("d", counted(1));
    expect(await seenUntil(start, "d@0")).toEqual(["a@0", "b@0", "c@0", "caught up", "d@0"]);
    expect(await seenUntil(after, "d@0")).toEqual(["c@0", "caught up", "d@0"]);
    expect(await seenUntil(end, "d@0")).toEqual(["caught up", "d@0"]);
  });

  it("has no gap and no repeat while many write across the moment it turns live", async () => {
    const { client } = await started();
    const write = async (writer: number, appends: number): Promise<void> => {
      for (let n = 0; n < appends; n += 1) await client.appendToStream(`w-${writer}`, counted(3, n * 3));
    };
    await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer, 40)));
    const writing = Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer, 120)));
    // Begun at different moments of the same storm.
    const subscriptions: Seen[][] = [];
    for (let n = 0; n < 4; n += 1) {
      subscriptions.push(collect(client.subscribeToAll()));
      await client.appendToStream("between", counted(5));
    }
    await writing;
    await client.appendToStream("last", counted(1));
    for (const seen of subscriptions) {
      await seenUntil(seen, "last@0");
      const positions = seen.filter(({ label }) => label !== "caught up").map(({ position }) => Number(position));
      const total = 8 * 160 * 3 + 4 * 5 + 1;
      expect(positions).toEqual(Array.from({ length: total }, (_, n) => n + 1));
    }
  });

  it.each<{ name: string; filter: Filter; expected: string[] }>([
    {
      name: "stream prefixes",
      filter: streamNameFilter({ prefixes: ["device-", "alert-"] }),
      expected: ["device-1@0", "alert-1@0"],
    },
    {
      name: "a stream expression",
      filter: streamNameFilter({ regex: "^[^$].*-1$" }),
      expected: ["device-1@0", "alert-1@0", "tenant-1@0"],
    },
    { name: "type prefixes", filter: eventTypeFilter({ prefixes: ["Device"] }), expected: ["device-1@0"] },
    {
      name: "a type expression",
      filter: eventTypeFilter({ regex: "Raised|Made" }),
      expected: ["alert-1@0", "tenant-1@0"],
    },
    { name: "no system events", filter: excludeSystemEvents(), expected: ["device-1@0", "alert-1@0", "tenant-1@0"] },
  ])("is filtered by $name", async ({ filter, expected }) => {
    const { client } = await started();
    const seen = collect(client.subscribeToAll({ filter }));
    await seenUntil(seen, "caught up");
    await client.appendToStream("device-1", jsonEvent({ type: "DeviceRegistered", data: {} }));
    await client.appendToStream("alert-1", jsonEvent({ type: "AlertRaised", data: {} }));
    await client.setStreamMetadata("alert-1", { maxCount: 10 });
    await client.appendToStream("tenant-1", jsonEvent({ type: "TenantMade", data: {} }));
    const again = collect(client.subscribeToAll({ filter }));
    await seenUntil(again, "caught up");
    await seenUntil(seen, expected.at(-1) ?? "");
    expect(labels(again)).toEqual([...expected, "caught up"]);
    expect(labels(seen)).toEqual(["caught up", ...expected]);
  });

  it("says how far it has looked, also when nothing matches", async () => {
    const { client } = await started();
    const checkpoints: Position[] = [];
    const filter = eventTypeFilter({
      prefixes: ["Nothing"],
      checkpointInterval: 2,
      checkpointReached: async (_, position) => void checkpoints.push(position),
    });
    await client.appendToStream("s", counted(200));
    const seen = collect(client.subscribeToAll({ filter }));
    await seenUntil(seen, "caught up");
    // Every 2 · 32 events, and where it caught up.
    expect(checkpoints.map(({ commit }) => commit)).toEqual([64n, 128n, 192n, 200n]);
    await client.appendToStream("s", counted(100));
    await waitFor(() => checkpoints.length === 5);
    expect(checkpoints.at(-1)).toEqual({ commit: 264n, prepare: 264n });
    expect(labels(seen)).toEqual(["caught up"]);
  });

  it("refuses an expression that cannot be compiled, and says so", async () => {
    const { client } = await started();
    const subscription = client.subscribeToAll({ filter: streamNameFilter({ regex: "(" }) });
    const error = await new Promise<Error>((resolve) => subscription.once("error", resolve));
    expect(error.message).toContain("regular expression '('");
  });
});

describe("a subscriber that does not read", () => {
  it("holds up neither the writers nor the other readers, and gets everything in the end", async () => {
    const { client } = await started();
    const slow = client.subscribeToAll();
    onTestFinished(() => slow.unsubscribe());
    const text = "x".repeat(10_000);
    const fat = (n: number): ReturnType<typeof jsonEvent> => jsonEvent({ type: "Fat", data: { n, text } });
    const quick = collect(client.subscribeToAll({ fromPosition: START }));
    // 30 MB: far more than what the sockets between us and it can hold.
    for (let n = 0; n < 60; n += 1) {
      await client.appendToStream(
        "s",
        Array.from({ length: 50 }, (_, i) => fat(n * 50 + i)),
      );
    }
    await seenUntil(quick, "s@2999");
    let next = 0;
    for await (const { event } of slow) {
      expect(event?.revision).toBe(BigInt(next));
      next += 1;
      if (next === 3_000) break;
    }
    expect(next).toBe(3_000);
  });

  it("leaves nothing behind when it goes", async () => {
    const { client, server } = await started();
    await client.appendToStream("s", counted(2_000));
    const subscriptions = Array.from({ length: 20 }, () => client.subscribeToAll());
    await Promise.all(
      subscriptions.map((subscription) => new Promise((resolve) => subscription.once("confirmation", resolve))),
    );
    await Promise.all(subscriptions.map((subscription) => subscription.unsubscribe()));
    const { nextExpectedRevision } = await client.appendToStream("s", counted(1));
    expect(nextExpectedRevision).toBe(2_000n);
    await server.stop();
  });
});

describe("when the server stops", () => {
  it("a subscription ends with an error that names it, and goes on from its place afterwards", async () => {
    const { client, restart } = await started();
    await client.appendToStream("s", counted(3));
    const subscription = client.subscribeToAll();
    const seen = collect(subscription);
    await seenUntil(seen, "caught up");
    const dropped = new Promise<Error>((resolve) => subscription.once("error", resolve));
    await restart();
    expect(await dropped).toMatchObject({ type: "unavailable" });
    await eventually(client);
    const resumed = collect(client.subscribeToAll({ fromPosition: { commit: 3n, prepare: 3n } }));
    expect(await seenUntil(resumed, "s@3")).toContain("s@3");
    expect(labels(resumed).filter((label) => label !== "caught up")).toEqual(["s@3"]);
  });
});

/** The client finds out that its connection is gone by its first call on it. */
async function eventually(client: EventStoreDBClient): Promise<void> {
  await waitFor(() =>
    client.appendToStream("s", counted(1), { expectedRevision: 2n }).then(
      () => true,
      () => false,
    ),
  );
}
