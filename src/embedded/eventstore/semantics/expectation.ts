/**
 * Whether an append may be written, was written before, or is refused; as EventStoreDB's index writer judges it:
 * an append that comes again, with the same event ids and the same expectation, has the outcome it had the first time.
 */
import type { ProposedEvent } from "../storage/record.js";
import type { StreamHead } from "../storage/stream-head.js";
import type { ExpectedRevision } from "./changes.js";

export type Verdict =
  | { readonly kind: "write" }
  | { readonly kind: "again"; readonly revision: number; readonly position: number | undefined }
  | { readonly kind: "wrong"; readonly current: number | undefined };

export interface Known {
  /** The event of the stream at that revision. */
  at(revision: number): { readonly id: Buffer; readonly position: number } | undefined;
  /** Where in the stream a recent event id stands; forgotten after a while (recent-ids.ts). */
  recent(id: Buffer): { readonly revision: number; readonly position: number } | undefined;
}

export function judge(
  expected: ExpectedRevision,
  events: readonly ProposedEvent[],
  head: StreamHead | undefined,
  known: Known,
): Verdict {
  const last = head?.revision ?? -1;
  const exists = last >= 0 && head?.rules.softDeleted !== true;
  const wrong: Verdict = { kind: "wrong", current: last >= 0 ? last : undefined };

  if (expected === "any" || expected === "stream_exists") {
    if (expected === "stream_exists" && !exists) return wrong;
    return judgeByIds(events, wrong, known, last);
  }
  const expectedLast = expected === "no_stream" ? -1 : expected;
  if (expectedLast > last) return wrong;
  // A deleted stream may be begun again: its revisions go on where they ended.
  if (expectedLast === last || (expected === "no_stream" && !exists)) return writeOrNothing(events, last);
  return judgeByPlace(expectedLast, events, wrong, known);
}

/** Without an exact expectation only the recent ids tell a retry from a first try. */
function judgeByIds(events: readonly ProposedEvent[], wrong: Verdict, known: Known, last: number): Verdict {
  let found: { readonly revision: number; readonly position: number } | undefined;
  for (const [n, event] of events.entries()) {
    const before = known.recent(event.id);
    // Partly stored before: neither a retry nor a first try.
    if (before === undefined) return n === 0 ? writeOrNothing(events, last) : wrong;
    found = before;
  }
  return found === undefined ? writeOrNothing(events, last) : { kind: "again", ...found };
}

/** The expectation was overtaken: by these very events (a retry), or by others (a conflict). */
function judgeByPlace(expectedLast: number, events: readonly ProposedEvent[], wrong: Verdict, known: Known): Verdict {
  let revision = expectedLast;
  let position: number | undefined;
  for (const event of events) {
    const stored = known.at(revision + 1);
    if (stored === undefined || !stored.id.equals(event.id)) return wrong;
    revision += 1;
    position = stored.position;
  }
  return position === undefined ? wrong : { kind: "again", revision, position };
}

function writeOrNothing(events: readonly ProposedEvent[], last: number): Verdict {
  return events.length === 0 ? { kind: "again", revision: last, position: undefined } : { kind: "write" };
}
