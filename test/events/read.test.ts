import { jsonEvent } from "@eventstore/db-client";
import type { EventStoreDBClient } from "@eventstore/db-client";
import { describe, expect, it } from "vitest";
import {
  encodeEvent,
  lastRevision,
  readAggregateEvents,
  readNewestFirst,
  readWhileWanted,
} from "../../src/events/index.js";
import type { Recorded } from "../../src/events/index.js";
import { newId } from "../../src/platform/ids.js";
import { started } from "../embedded/eventstore/start.js";
import { exampleMetadata as metadata } from "../golden/examples.js";

const STREAM = "device-acme.press-1";
const applied = (version: number) =>
  encodeEvent(newId(), { type: "ConfigurationApplied", data: { version } }, metadata);

/** A stream of 1,200 events; the one at revision 700 is somebody else's. */
async function written(): Promise<{ readonly client: EventStoreDBClient; readonly reads: () => number }> {
  const { client } = await started();
  const events = Array.from({ length: 1_200 }, (_, n) =>
    n === 700 ? jsonEvent({ type: "Foreign", data: {} }) : applied(n),
  );
  await client.appendToStream(STREAM, events);
  let reads = 0;
  const counting = new Proxy(client, {
    get(target, name, receiver) {
      if (name === "readStream") reads += 1;
      const value: unknown = Reflect.get(target, name, receiver);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  return { client: counting, reads: () => reads };
}

async function revisions(events: AsyncIterable<Recorded>, most = Number.POSITIVE_INFINITY): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const { revision } of events) {
    if (found.length === most) break;
    found.push(revision);
  }
  return found;
}

describe("a history", () => {
  it("is the same whether it is read in one go or while it is wanted", async () => {
    const { client, reads } = await written();
    const whole = await revisions(readAggregateEvents(client, STREAM));
    expect(whole).toEqual(Array.from({ length: 1_200 }, (_, n) => n).filter((n) => n !== 700));
    const before = reads();
    expect(await revisions(readWhileWanted(client, STREAM))).toEqual(whole);
    expect(reads() - before).toBe(3);
    expect(await revisions(readWhileWanted(client, STREAM, { fromRevision: 690, limit: 20 }))).toEqual(
      whole.slice(690, 709),
    );
    expect(await revisions(readWhileWanted(client, STREAM, { limit: 600 }))).toEqual(whole.slice(0, 600));
  });

  it("that is left early costs one slice, and keeps nothing open", async () => {
    const { client, reads } = await written();
    expect(await revisions(readWhileWanted(client, STREAM), 3)).toEqual([0, 1, 2]);
    expect(reads()).toBe(1);
    // That the client can be disposed of when the test ends is the rest of what is said here.
  });

  it("has a last revision, which costs one event; one that is not there has none", async () => {
    const { client } = await written();
    expect(await lastRevision(client, STREAM)).toBe(1_199);
    expect(await lastRevision(client, "device-acme.nobody")).toBeUndefined();
    expect(await revisions(readWhileWanted(client, "device-acme.nobody"))).toEqual([]);
    expect(await revisions(readNewestFirst(client, STREAM, 3))).toEqual([1_199, 1_198, 1_197]);
    expect(await revisions(readNewestFirst(client, "device-acme.nobody", 3))).toEqual([]);
  });

  it("of which one cannot be read stops there, and keeps nothing open", async () => {
    const { client } = await started();
    const newer = encodeEvent(
      newId(),
      { type: "ConfigurationApplied", data: { version: 1 } },
      { ...metadata, schemaVersion: 99 },
    );
    await client.appendToStream(STREAM, [applied(0), newer, ...Array.from({ length: 100 }, (_, n) => applied(n))]);
    await expect(revisions(readAggregateEvents(client, STREAM))).rejects.toThrow("written by a newer Fleetlog");
    await expect(revisions(readWhileWanted(client, STREAM))).rejects.toThrow("written by a newer Fleetlog");
  });
});
