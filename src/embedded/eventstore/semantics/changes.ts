import type { ProposedEvent } from "../storage/record.js";

/** What the caller believes about the stream: anything, that it is not there, that it is, or its last revision. */
export type ExpectedRevision = "any" | "no_stream" | "stream_exists" | number;

/** A change to one stream, taken whole or not at all. */
export type Change = {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  /** After this moment, milliseconds since the epoch, the caller no longer waits, and nothing is written. */
  readonly deadlineMs?: number;
} & (
  | { readonly kind: "append"; readonly events: readonly ProposedEvent[] }
  /** Soft: the stream is not found until someone appends to it again. */
  | { readonly kind: "delete" }
  /** For ever. */
  | { readonly kind: "tombstone" }
);

export type Outcome =
  /** Stored, now or (an idempotent retry) before. `revision` is the stream's last event of this change, -1 for none. */
  | { readonly kind: "done"; readonly revision: number; readonly position: number | undefined }
  /** `current` is the stream's last revision, `undefined` if it is not there. Nothing was written. */
  | { readonly kind: "wrong-expected-revision"; readonly current: number | undefined }
  | { readonly kind: "stream-deleted" }
  | { readonly kind: "deadline-passed" };
