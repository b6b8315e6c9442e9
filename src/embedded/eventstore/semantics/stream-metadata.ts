/** What the events of a metadata stream (`$$name`) mean for the stream that they describe. */
import { randomUUID } from "node:crypto";
import type { ProposedEvent } from "../storage/record.js";
import { NO_RULES } from "../storage/stream-head.js";
import type { StreamRules } from "../storage/stream-head.js";

/** `$tb` of a softly deleted stream: the largest 64-bit number. As JSON it is written by hand: a double cannot hold it. */
const DELETED_TB = "9223372036854775807";

export const METADATA_TYPE = "$metadata";
const DELETED_TYPE = "$streamDeleted";

export function metadataStreamOf(stream: string): string {
  return `$$${stream}`;
}

/** The stream that a metadata stream describes; `undefined` for any other stream. */
export function describedBy(stream: string): string | undefined {
  return stream.startsWith("$$") && stream.length > 2 ? stream.slice(2) : undefined;
}

/** The rules in a `$metadata` event. What cannot be read, or makes no sense, is no rule, as on the real server. */
export function rulesFrom(data: Uint8Array): StreamRules {
  const metadata = parse(data);
  const truncateBefore = count(metadata["$tb"]) ?? 0;
  const maxAgeSeconds = count(metadata["$maxAge"]);
  return {
    ...NO_RULES,
    truncateBefore,
    maxCount: count(metadata["$maxCount"]) ?? Infinity,
    maxAgeMs: maxAgeSeconds === undefined ? Infinity : maxAgeSeconds * 1_000,
    softDeleted: truncateBefore > Number.MAX_SAFE_INTEGER,
  };
}

/** The `$metadata` event that deletes softly, keeping what else was said before. */
export function deletion(before: Uint8Array | undefined): ProposedEvent {
  return metadataEvent(before, DELETED_TB);
}

/** The `$metadata` event that brings a softly deleted stream back, to begin at `revision`. */
export function revival(before: Uint8Array | undefined, revision: number): ProposedEvent {
  return metadataEvent(before, String(revision));
}

/** What a tombstoned stream ends with. */
export function tombstone(): ProposedEvent {
  return systemEvent(DELETED_TYPE, "{}");
}

function metadataEvent(before: Uint8Array | undefined, truncateBefore: string): ProposedEvent {
  const { $tb: _, ...rest } = before === undefined ? {} : parse(before);
  const others = JSON.stringify(rest).slice(1, -1);
  return systemEvent(METADATA_TYPE, `{"$tb":${truncateBefore}${others === "" ? "" : `,${others}`}}`);
}

function systemEvent(type: string, json: string): ProposedEvent {
  return {
    id: Buffer.from(randomUUID().replaceAll("-", ""), "hex"),
    type,
    contentType: "application/json",
    metadata: Buffer.alloc(0),
    data: Buffer.from(json),
  };
}

function parse(data: Uint8Array): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(data).toString("utf8"));
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}
