import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type * as streamsPb from "@eventstore/db-client/generated/streams_pb.js";
import { encodeEvents } from "../../../src/embedded/eventstore/protocol/recorded-event.js";
import { EventRecord, encodeRecord } from "../../../src/embedded/eventstore/storage/record.js";

const require = createRequire(import.meta.url);
const streams = require("@eventstore/db-client/generated/streams_pb.js") as typeof streamsPb;

/** The messages in a run of frames. */
function* messages(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at + 1);
    yield bytes.subarray(at + 5, at + 5 + length);
    at += 5 + length;
  }
}

const event = fc.record({
  position: fc.integer({ min: 1, max: 2 ** 47 }),
  revision: fc.integer({ min: 0, max: 2 ** 47 }),
  stream: fc.string({ unit: "binary", minLength: 1, maxLength: 200 }),
  type: fc.string({ unit: "binary", minLength: 1, maxLength: 200 }),
  contentType: fc.constantFrom("application/json", "application/octet-stream", "text/plain"),
  metadata: fc.uint8Array({ maxLength: 300 }),
  data: fc.uint8Array({ maxLength: 20_000 }),
});

describe("events as frames", () => {
  it("are what the generated decoder makes of them, whatever is in them", () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 5 }), fc.boolean(), (events, asText) => {
        const records = events.map((event) => {
          const bytes = encodeRecord(event.stream, event.revision, 1_700_000_000_123, {
            ...event,
            id: randomBytes(16),
          });
          return new EventRecord(event.position, bytes);
        });
        const decoded = [...messages(encodeEvents(records, asText ? "string" : "structured"))].map((message) =>
          streams.ReadResp.deserializeBinary(message).getEvent(),
        );
        expect(decoded).toHaveLength(events.length);
        for (const [n, read] of decoded.entries()) {
          const recorded = read?.getEvent();
          const [event, record] = [events[n], records[n]];
          expect(read?.getCommitPosition()).toBe(String(event?.position));
          expect(recorded?.getCommitPosition()).toBe(String(event?.position));
          expect(recorded?.getPreparePosition()).toBe(String(event?.position));
          expect(recorded?.getStreamRevision()).toBe(String(event?.revision));
          expect(Buffer.from(recorded?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()).toBe(
            event?.stream,
          );
          expect(recorded?.getMetadataMap().get("type")).toBe(event?.type);
          expect(recorded?.getMetadataMap().get("content-type")).toBe(event?.contentType);
          expect(recorded?.getMetadataMap().get("created")).toBe("17000000001230000");
          expect(Buffer.from(recorded?.getCustomMetadata_asU8() ?? [])).toEqual(Buffer.from(event?.metadata ?? []));
          expect(Buffer.from(recorded?.getData_asU8() ?? [])).toEqual(Buffer.from(event?.data ?? []));
          const structured = recorded?.getId()?.getStructured();
          const id = asText
            ? recorded?.getId()?.getString().replaceAll("-", "")
            : [structured?.getMostSignificantBits(), structured?.getLeastSignificantBits()]
                .map((half) =>
                  BigInt.asUintN(64, BigInt(half ?? 0))
                    .toString(16)
                    .padStart(16, "0"),
                )
                .join("");
          expect(id).toBe(record?.id.toString("hex"));
        }
      }),
      { numRuns: 200 },
    );
  });
});
