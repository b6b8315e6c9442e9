import { randomUUID } from "node:crypto";
import {
  EventStoreDBClient,
  MaxAppendSizeExceededError,
  NO_STREAM,
  STREAM_EXISTS,
  StreamNotFoundError,
  WrongExpectedVersionError,
  binaryEvent,
  jsonEvent,
} from "@eventstore/db-client";
import type { AppendExpectedRevision, AppendToStreamOptions } from "@eventstore/db-client";
import { describe, expect, it } from "vitest";
import { counted, started } from "./start.js";

/** The client appends by one long call, or, when it is given credentials, by a call for each append. Both must do. */
const ways: readonly { readonly way: string; readonly options: AppendToStreamOptions }[] = [
  { way: "batch append", options: {} },
  { way: "append", options: { credentials: { username: "admin", password: "changeit" } } },
];

async function readAll(client: EventStoreDBClient, stream: string): Promise<unknown[]> {
  const data: unknown[] = [];
  try {
    for await (const { event } of client.readStream(stream)) data.push(event?.data);
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw error;
  }
  return data;
}

describe.each(ways)("$way", ({ options }) => {
  it("answers with the revision and the position of its last event", async () => {
    const { client } = await started();
    const first = await client.appendToStream("a", counted(2), options);
    const second = await client.appendToStream("a", counted(1), options);
    expect(first).toMatchObject({ success: true, nextExpectedRevision: 1n });
    expect(second).toMatchObject({ success: true, nextExpectedRevision: 2n });
    expect(second.position?.commit).toBeGreaterThan(first.position?.commit ?? 0n);
    expect(second.position?.prepare).toBe(second.position?.commit);
  });

  it("keeps what it was given: JSON and binary, metadata, ids, types", async () => {
    const { client } = await started();
    const json = jsonEvent({ type: "Grüße", data: { text: "héllo ✓" }, metadata: { by: "anna" } });
    const binary = binaryEvent({ type: "blob", data: Uint8Array.of(0, 255, 128), metadata: Uint8Array.of(1, 2, 3) });
    const before = Date.now();
    await client.appendToStream("straße", [json, binary], options);
    const events = [];
    for await (const { event } of client.readStream("straße")) events.push(event);
    expect(events[0]).toMatchObject({
      id: json.id,
      type: "Grüße",
      streamId: "straße",
      data: { text: "héllo ✓" },
      metadata: { by: "anna" },
      isJson: true,
      revision: 0n,
    });
    expect(events[0]?.created.getTime()).toBeGreaterThanOrEqual(before);
    expect(events[1]).toMatchObject({ id: binary.id, type: "blob", isJson: false, revision: 1n });
    expect(Buffer.from((events[1]?.data ?? []) as Uint8Array)).toEqual(Buffer.of(0, 255, 128));
    expect(Buffer.from((events[1]?.metadata ?? []) as Uint8Array)).toEqual(Buffer.of(1, 2, 3));
  });

  it.each<{ name: string; existing: number; expectedRevision: AppendExpectedRevision }>([
    { name: "no_stream on a new stream", existing: 0, expectedRevision: NO_STREAM },
    { name: "stream_exists on a stream that exists", existing: 1, expectedRevision: STREAM_EXISTS },
    { name: "the last revision", existing: 3, expectedRevision: 2n },
    { name: "any on a new stream", existing: 0, expectedRevision: "any" },
    { name: "any on a stream that exists", existing: 5, expectedRevision: "any" },
  ])("accepts $name", async ({ existing, expectedRevision }) => {
    const { client } = await started();
    if (existing > 0) await client.appendToStream("s", counted(existing), options);
    const result = await client.appendToStream("s", counted(1), { ...options, expectedRevision });
    expect(result).toMatchObject({ success: true, nextExpectedRevision: BigInt(existing) });
  });

  it.each<{ name: string; existing: number; expected: AppendExpectedRevision; actual: bigint | "no_stream" }>([
    { name: "no_stream on a stream that exists", existing: 2, expected: NO_STREAM, actual: 1n },
    { name: "stream_exists on no stream", existing: 0, expected: STREAM_EXISTS, actual: "no_stream" },
    { name: "a revision before the last", existing: 3, expected: 1n, actual: 2n },
    { name: "a revision after the last", existing: 3, expected: 7n, actual: 2n },
    { name: "a revision of no stream", existing: 0, expected: 0n, actual: "no_stream" },
  ])("refuses $name with the client's typed error", async ({ existing, expected, actual }) => {
    const { client } = await started();
    if (existing > 0) await client.appendToStream("s", counted(existing), options);
    const refused = client.appendToStream("s", counted(2, 100), { ...options, expectedRevision: expected });
    const error: unknown = await refused.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(WrongExpectedVersionError);
    expect(error).toMatchObject({ streamName: "s", expectedVersion: expected, actualVersion: actual });
    expect(await readAll(client, "s")).toHaveLength(existing);
  });

  it.each<AppendExpectedRevision>(["any", STREAM_EXISTS, 2n])(
    "gives a retry that expects %s the outcome of the first try",
    async (expectedRevision) => {
      const { client } = await started();
      await client.appendToStream("s", counted(3), options);
      const events = counted(2, 10);
      const first = await client.appendToStream("s", events, { ...options, expectedRevision });
      await client.appendToStream("s", counted(1, 20), options);
      expect(await client.appendToStream("s", events, { ...options, expectedRevision })).toEqual(first);
      expect(await readAll(client, "s")).toHaveLength(6);
    },
  );

  it("knows a retry after it has come back", async () => {
    const { client, restart } = await started();
    const events = counted(2);
    const first = await client.appendToStream("s", events, options);
    const server = await restart();
    const reconnected = EventStoreDBClient.connectionString(server.url);
    expect(await reconnected.appendToStream("s", events, options)).toEqual(first);
    expect(await readAll(reconnected, "s")).toHaveLength(2);
    await reconnected.dispose();
  });

  it("refuses a retry that brings an event more than was stored", async () => {
    const { client } = await started();
    const events = counted(2);
    await client.appendToStream("s", events, { ...options, expectedRevision: NO_STREAM });
    const more = client.appendToStream("s", [...events, ...counted(1, 9)], { ...options, expectedRevision: NO_STREAM });
    await expect(more).rejects.toBeInstanceOf(WrongExpectedVersionError);
    expect(await readAll(client, "s")).toHaveLength(2);
  });

  it("takes the same event id into another stream", async () => {
    const { client } = await started();
    const id = randomUUID();
    const event = jsonEvent({ id, type: "t", data: {} });
    await client.appendToStream("a", event, options);
    expect(await client.appendToStream("b", event, options)).toMatchObject({ nextExpectedRevision: 0n });
    expect(await readAll(client, "b")).toHaveLength(1);
  });

  it("lets exactly one of many who expect the same revision win", async () => {
    const { client } = await started();
    const tries = Array.from({ length: 50 }, (_, n) =>
      client.appendToStream("race", counted(2, n), { ...options, expectedRevision: NO_STREAM }),
    );
    const outcomes = await Promise.allSettled(tries);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await readAll(client, "race")).toHaveLength(2);
  });

  it("refuses an append that is too large, and takes the next", async () => {
    const { client } = await started();
    const huge = jsonEvent({ type: "huge", data: { text: "x".repeat(1024 * 1024) } });
    const error: unknown = await client
      .appendToStream("s", [...counted(1), huge], options)
      .catch((error: unknown) => error);
    expect(error).toBeInstanceOf(MaxAppendSizeExceededError);
    expect(error).toMatchObject({ maxAppendSize: 1024 * 1024 });
    expect(await client.appendToStream("s", counted(1), options)).toMatchObject({ nextExpectedRevision: 0n });
  });

  it("takes an append without events as a question about the revision", async () => {
    const { client } = await started();
    await client.appendToStream("s", counted(4), options);
    const result = await client.appendToStream("s", [], { ...options, expectedRevision: 3n });
    expect(result).toMatchObject({ success: true, nextExpectedRevision: 3n });
  });
});
