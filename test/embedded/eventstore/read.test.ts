import {
  BACKWARDS,
  END,
  START,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
} from "@eventstore/db-client";
import type {
  AllStreamResolvedEvent,
  EventStoreDBClient,
  ReadAllOptions,
  ReadStreamOptions,
} from "@eventstore/db-client";
import { describe, expect, it } from "vitest";
import { counted, started } from "./start.js";
import type { Counted } from "./start.js";

async function revisions(client: EventStoreDBClient, stream: string, options: ReadStreamOptions): Promise<number[]> {
  const found: number[] = [];
  for await (const { event } of client.readStream(stream, options)) found.push(Number(event?.revision));
  return found;
}

async function all(client: EventStoreDBClient, options: ReadAllOptions): Promise<AllStreamResolvedEvent[]> {
  const found: AllStreamResolvedEvent[] = [];
  for await (const event of client.readAll(options)) found.push(event);
  return found;
}

async function numbers(client: EventStoreDBClient, options: ReadAllOptions): Promise<number[]> {
  return (await all(client, options)).map(({ event }) => (event?.data as Counted["data"] | undefined)?.n ?? -1);
}

describe("a stream", () => {
  it.each<{ name: string; options: ReadStreamOptions; expected: number[] }>([
    { name: "forwards from the start", options: { fromRevision: START }, expected: [0, 1, 2, 3, 4] },
    { name: "forwards from a revision, included", options: { fromRevision: 2n }, expected: [2, 3, 4] },
    { name: "forwards, so many", options: { fromRevision: 1n, maxCount: 2 }, expected: [1, 2] },
    { name: "forwards from beyond the end", options: { fromRevision: 9n }, expected: [] },
    { name: "backwards from the end", options: { direction: BACKWARDS, fromRevision: END }, expected: [4, 3, 2, 1, 0] },
    {
      name: "backwards from a revision, included",
      options: { direction: BACKWARDS, fromRevision: 1n },
      expected: [1, 0],
    },
    {
      name: "backwards from beyond the end",
      options: { direction: BACKWARDS, fromRevision: 9n },
      expected: [4, 3, 2, 1, 0],
    },
    { name: "the last one", options: { direction: BACKWARDS, fromRevision: END, maxCount: 1 }, expected: [4] },
    { name: "backwards from the first", options: { direction: BACKWARDS, fromRevision: 0n }, expected: [0] },
  ])("is read $name", async ({ options, expected }) => {
    const { client } = await started();
    await client.appendToStream("other", counted(3));
    await client.appendToStream("s", counted(2));
    await client.appendToStream("other", counted(3));
    await client.appendToStream("s", counted(3));
    expect(await revisions(client, "s", options)).toEqual(expected);
  });

  it("is not found when it is not there", async () => {
    const { client } = await started();
    const reading = revisions(client, "nothing", {});
    await expect(reading).rejects.toBeInstanceOf(StreamNotFoundError);
    await expect(reading).rejects.toMatchObject({ streamName: "nothing" });
  });

  it("is read whole when it is long, both ways", async () => {
    const { client } = await started();
    for (let n = 0; n < 5; n += 1) await client.appendToStream("long", counted(500, n * 500));
    const expected = Array.from({ length: 2_500 }, (_, n) => n);
    expect(await revisions(client, "long", {})).toEqual(expected);
    expect(await revisions(client, "long", { direction: BACKWARDS, fromRevision: END })).toEqual(expected.reverse());
  });

  it("reads large events", async () => {
    const { client } = await started();
    const text = "x".repeat(1_000_000);
    for (let n = 0; n < 5; n += 1)
      await client.appendToStream(
        "large",
        counted(1).map((event) => ({ ...event, data: { text } })),
      );
    let bytes = 0;
    for await (const { event } of client.readStream("large"))
      bytes += (event?.data as { text: string } | undefined)?.text.length ?? 0;
    expect(bytes).toBe(5_000_000);
  });
});

describe("$all", () => {
  it("is every event in the order of their positions, both ways", async () => {
    const { client } = await started();
    await Promise.all(Array.from({ length: 20 }, (_, n) => client.appendToStream(`s-${n % 7}`, counted(10, n * 10))));
    const forwards = await all(client, {});
    expect(forwards).toHaveLength(200);
    const positions = forwards.map(({ event }) => event?.position.commit ?? -1n);
    expect(positions).toEqual([...positions].sort((a, b) => Number(a - b)));
    expect(new Set(positions).size).toBe(200);
    const backwards = await all(client, { direction: BACKWARDS, fromPosition: END });
    expect(backwards).toEqual(forwards.toReversed());
  });

  it("keeps the events of one append together", async () => {
    const { client } = await started();
    await Promise.all(Array.from({ length: 30 }, (_, n) => client.appendToStream(`s-${n}`, counted(5))));
    const streams = (await all(client, {})).map(({ event }) => event?.streamId);
    for (let n = 0; n < streams.length; n += 5) expect(new Set(streams.slice(n, n + 5)).size).toBe(1);
  });

  it("is read from a position: forwards with its event, backwards without", async () => {
    const { client } = await started();
    await client.appendToStream("s", counted(5));
    const [, , third] = await all(client, {});
    const fromPosition = third?.event?.position ?? START;
    expect(await numbers(client, { fromPosition })).toEqual([2, 3, 4]);
    expect(await numbers(client, { fromPosition, maxCount: 2 })).toEqual([2, 3]);
    expect(await numbers(client, { fromPosition, direction: BACKWARDS })).toEqual([1, 0]);
    expect(await numbers(client, { fromPosition: END })).toEqual([]);
    expect(await numbers(client, { fromPosition: { commit: 99n, prepare: 99n } })).toEqual([]);
  });

  it("is empty at first", async () => {
    const { client } = await started();
    expect(await all(client, {})).toEqual([]);
    expect(await all(client, { direction: BACKWARDS, fromPosition: END })).toEqual([]);
  });
});

describe("what hides events", () => {
  it("shows only the last of a stream with $maxCount, and all of it in $all", async () => {
    const { client } = await started();
    await client.appendToStream("s", counted(10));
    await client.setStreamMetadata("s", { maxCount: 3 });
    expect(await revisions(client, "s", {})).toEqual([7, 8, 9]);
    expect(await revisions(client, "s", { direction: BACKWARDS, fromRevision: END })).toEqual([9, 8, 7]);
    expect(await all(client, {})).toHaveLength(11);
    expect(await client.getStreamMetadata("s")).toMatchObject({ metadata: { maxCount: 3 } });
  });

  it("starts a stream at $tb", async () => {
    const { client, restart } = await started();
    await client.setStreamMetadata("s", { truncateBefore: 4 });
    await client.appendToStream("s", counted(6));
    expect(await revisions(client, "s", {})).toEqual([4, 5]);
    await restart();
    expect(await client.getStreamMetadata("s").catch(() => client.getStreamMetadata("s"))).toMatchObject({
      metadata: { truncateBefore: 4 },
    });
    expect(await revisions(client, "s", {})).toEqual([4, 5]);
  });

  it("does not find a deleted stream, until it is begun again", async () => {
    const { client } = await started();
    await client.appendToStream("s", counted(3));
    await client.setStreamMetadata("s", { mine: "kept" });
    await expect(client.deleteStream("s", { expectedRevision: 7n })).rejects.toBeInstanceOf(WrongExpectedVersionError);
    await client.deleteStream("s", { expectedRevision: 2n });
    await expect(revisions(client, "s", {})).rejects.toBeInstanceOf(StreamNotFoundError);
    const again = await client.appendToStream("s", counted(2), { expectedRevision: "no_stream" });
    expect(again.nextExpectedRevision).toBe(4n);
    expect(await revisions(client, "s", {})).toEqual([3, 4]);
    expect(await client.getStreamMetadata("s")).toMatchObject({ metadata: { mine: "kept", truncateBefore: 3 } });
  });

  it("never lets go of a tombstoned stream's name", async () => {
    const { client } = await started();
    await client.appendToStream("s", counted(3));
    await client.tombstoneStream("s");
    await expect(revisions(client, "s", {})).rejects.toBeInstanceOf(StreamDeletedError);
    await expect(client.appendToStream("s", counted(1))).rejects.toBeInstanceOf(StreamDeletedError);
    await expect(client.deleteStream("s")).rejects.toBeInstanceOf(StreamDeletedError);
  });
});
