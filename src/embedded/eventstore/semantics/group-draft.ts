import { EventRecord, encodeRecord } from "../storage/record.js";
import type { ProposedEvent } from "../storage/record.js";
import type { LogEntry, Store, WriteGroup } from "../storage/store.js";
import { NO_RULES } from "../storage/stream-head.js";
import type { StreamHead, StreamRules } from "../storage/stream-head.js";
import type { Change, Outcome } from "./changes.js";
import { judge } from "./expectation.js";
import type { RecentIds } from "./recent-ids.js";
import {
  METADATA_TYPE,
  deletion,
  describedBy,
  metadataStreamOf,
  revival,
  rulesFrom,
  tombstone,
} from "./stream-metadata.js";

/** The next group while it is made up: the store as it will be, on top of the store as it is. */
export class GroupDraft {
  readonly #store: Store;
  readonly #recentIds: RecentIds;
  readonly #now: number;
  readonly #entries: LogEntry[] = [];
  readonly #ids: Buffer[] = [];
  readonly #heads = new Map<string, StreamHead>();
  #last: number;
  #nextStreamId: number;

  constructor(store: Store, recentIds: RecentIds, lastPosition: number, now: number) {
    this.#store = store;
    this.#recentIds = recentIds;
    this.#now = now;
    this.#last = lastPosition;
    this.#nextStreamId = store.nextStreamId();
  }

  get empty(): boolean {
    return this.#entries.length === 0;
  }
  get lastPosition(): number {
    return this.#last;
  }
  streams(): Iterable<string> {
    return this.#heads.keys();
  }
  group(): WriteGroup {
    return { entries: this.#entries, heads: this.#heads };
  }
  /** The group will not be written: forget that it was ever thought of. */
  discard(): void {
    for (const id of this.#ids) this.#recentIds.forget(id);
  }

  add(change: Change): Outcome {
    if (change.deadlineMs !== undefined && change.deadlineMs < this.#now) return { kind: "deadline-passed" };
    const { stream, expected } = change;
    const head = this.#head(stream);
    if (head?.rules.tombstoned === true) return { kind: "stream-deleted" };
    const events = change.kind === "append" ? change.events : [];
    const verdict = judge(expected, events, head, {
      at: (revision) => (head === undefined ? undefined : this.#at(head.id, revision)),
      recent: (id) => {
        const place = this.#recentIds.get(id);
        return place?.stream === stream ? place : undefined;
      },
    });
    if (verdict.kind === "wrong") return { kind: "wrong-expected-revision", current: verdict.current };
    switch (change.kind) {
      case "append":
        if (verdict.kind === "again") return { ...verdict, kind: "done" };
        return this.#append(stream, events);
      case "delete":
        return this.#write(metadataStreamOf(stream), [deletion(this.#metadata(stream))]);
      case "tombstone":
        return this.#tombstone(stream);
    }
  }

  #append(stream: string, events: readonly ProposedEvent[]): Outcome {
    const head = this.#head(stream);
    if (head?.rules.softDeleted === true) {
      this.#write(metadataStreamOf(stream), [revival(this.#metadata(stream), head.revision + 1)]);
    }
    return this.#write(stream, events);
  }

  #tombstone(stream: string): Outcome {
    const outcome = this.#write(stream, [tombstone()]);
    this.#setRules(stream, { ...NO_RULES, tombstoned: true });
    return outcome;
  }

  #write(stream: string, events: readonly ProposedEvent[]): Outcome {
    const head = this.#headOrNew(stream);
    const described = describedBy(stream);
    let revision = head.revision;
    for (const event of events) {
      revision += 1;
      this.#last += 1;
      const position = this.#last;
      const record = encodeRecord(stream, revision, this.#now, event);
      this.#entries.push({ position, streamId: head.id, revision, record });
      this.#ids.push(event.id);
      this.#recentIds.add(event.id, { stream, revision, position });
      if (described !== undefined && event.type === METADATA_TYPE) this.#setRules(described, rulesFrom(event.data));
    }
    this.#heads.set(stream, { ...head, revision });
    return { kind: "done", revision, position: this.#last };
  }

  #setRules(stream: string, rules: StreamRules): void {
    const head = this.#headOrNew(stream);
    if (!head.rules.tombstoned) this.#heads.set(stream, { ...head, rules });
  }

  #head(stream: string): StreamHead | undefined {
    return this.#heads.get(stream) ?? this.#store.head(stream);
  }

  #headOrNew(stream: string): StreamHead {
    const known = this.#head(stream);
    if (known !== undefined) return known;
    const head: StreamHead = { id: this.#nextStreamId, revision: -1, rules: NO_RULES };
    this.#nextStreamId += 1;
    this.#heads.set(stream, head);
    return head;
  }

  /** The data of the last metadata event of the stream. */
  #metadata(stream: string): Uint8Array | undefined {
    const head = this.#head(metadataStreamOf(stream));
    return head === undefined ? undefined : this.#at(head.id, head.revision)?.data;
  }

  #at(streamId: number, revision: number): EventRecord | undefined {
    // Asked only for retries and metadata, so that a walk over the group is cheap enough.
    const drafted = this.#entries.findLast((entry) => entry.streamId === streamId && entry.revision === revision);
    if (drafted !== undefined) return new EventRecord(drafted.position, drafted.record);
    return this.#store.readOne(streamId, revision);
  }
}
