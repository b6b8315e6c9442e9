import { describe, expect, it } from "vitest";
import { decodeEvent, encodeEvent } from "../../src/events/index.js";
import { exampleMetadata as metadata } from "../golden/examples.js";
import { recorded } from "./recorded.js";

const event = { type: "ConfigurationApplied", data: { version: 3 } } as const;
const stored = { ...event, metadata: { ...metadata } };

describe("an event that is written and read back", () => {
  it("is the same, with its place in the stream and in the log", () => {
    expect(decodeEvent(recorded(encodeEvent("0192f0c1-2222-7abc-8def-000000000001", event, metadata)))).toEqual({
      ...event,
      metadata,
      id: "0192f0c1-2222-7abc-8def-000000000001",
      streamId: "device-acme.press-1",
      revision: 4,
      position: { commit: 700n, prepare: 700n },
    });
  });

  it("keeps what its metadata says beyond what we know: a newer Fleetlog may say more", () => {
    const more = { ...stored, metadata: { ...metadata, region: "eu" } };
    expect(decodeEvent(recorded(more))?.metadata).toEqual({ ...metadata, region: "eu" });
  });
});

describe("an event that is not ours is left alone", () => {
  it.each([
    ["a system event", recorded({ ...stored, type: "$metadata" })],
    ["one that is not JSON", recorded(stored, { isJson: false, data: new Uint8Array([1]) })],
    ["one without metadata", recorded(stored, { metadata: undefined })],
    ["one whose metadata is not ours", recorded({ ...stored, metadata: { $correlationId: "x" } })],
    ["one with a schema version of its own, in a stream of its own", recorded(stored, { streamId: "order-17" })],
    ["one whose stream only begins like ours", recorded(stored, { streamId: "device-17" })],
  ])("%s", (_, foreign) => {
    expect(decodeEvent(foreign)).toBeUndefined();
  });
});

describe("an event of ours that cannot be read stops the reader, with a sentence that says why", () => {
  it.each([
    [
      "a version that a newer Fleetlog wrote",
      recorded({ ...stored, metadata: { ...metadata, schemaVersion: 2 } }),
      "ConfigurationApplied version 2 was written by a newer Fleetlog; this one reads up to 1: update it",
    ],
    [
      "a type that a newer Fleetlog wrote",
      recorded({ ...stored, type: "FirmwareReleased" }),
      "event 0192f0c1-2222-7abc-8def-000000000001 in device-acme.press-1 is a FirmwareReleased, which this Fleetlog does not know: a newer one wrote it, so update this one",
    ],
    [
      "a type that every object has",
      recorded({ ...stored, type: "constructor" }),
      "event 0192f0c1-2222-7abc-8def-000000000001 in device-acme.press-1 is a constructor, which this Fleetlog does not know: a newer one wrote it, so update this one",
    ],
    [
      "a version that is none",
      recorded({ ...stored, metadata: { ...metadata, schemaVersion: "one" } }),
      'ConfigurationApplied has the schema version "one", which is not a whole number from 1',
    ],
    [
      "a server too old to say positions",
      recorded(stored, { position: undefined }),
      "event 0192f0c1-2222-7abc-8def-000000000001 came without its log position: EventStoreDB 22.6 or newer is needed",
    ],
  ])("%s", (_, unreadable, sentence) => {
    expect(() => decodeEvent(unreadable)).toThrow(new Error(sentence));
  });
});
