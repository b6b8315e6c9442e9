import type { EventRecord } from "../storage/record.js";
import type { Store } from "../storage/store.js";
import type { StreamHead } from "../storage/stream-head.js";

/** The stream was tombstoned: its name is gone for ever. */
export class StreamTombstonedError extends Error {
  constructor(readonly stream: string) {
    super(`Event stream '${stream}' is deleted.`);
    this.name = "StreamTombstonedError";
  }
}

/** What of a stream its rules let a reader see. They hide; nothing is removed from the log, and `$all` shows it still. */
export interface VisibleStream {
  readonly id: number;
  /** First and last revision; there may be none in between. */
  readonly first: number;
  readonly last: number;
  /** Whether the event is young enough. */
  readonly young: (event: EventRecord) => boolean;
}

/** `undefined` if the stream is not there, or softly deleted. Throws `StreamTombstonedError`. */
export function visibleStream(store: Store, stream: string): VisibleStream | undefined {
  const head = store.head(stream);
  if (head?.rules.tombstoned === true) throw new StreamTombstonedError(stream);
  if (head === undefined || head.revision < 0 || head.rules.softDeleted) return undefined;
  return { id: head.id, first: firstRevision(head), last: head.revision, young: youngIn(head) };
}

function firstRevision({ revision, rules }: StreamHead): number {
  return Math.max(0, rules.truncateBefore, revision - rules.maxCount + 1);
}

function youngIn({ rules: { maxAgeMs } }: StreamHead): (event: EventRecord) => boolean {
  if (maxAgeMs === Infinity) return () => true;
  const oldest = Date.now() - maxAgeMs;
  return (event) => event.createdMs >= oldest;
}
