/**
 * The one writer. Changes queue up while a group is on its way to disk, and then form the next group together: many
 * callers share one flush, and each is answered only after it. Within a group a change sees the ones before it.
 */
import { setImmediate } from "node:timers/promises";
import type { Store } from "../storage/store.js";
import type { Change, Outcome } from "./changes.js";
import type { Commits } from "./commits.js";
import { GroupDraft } from "./group-draft.js";
import { RecentIds } from "./recent-ids.js";

/** A group closes at so many changes or bytes, so that the first in it does not wait for a flood behind it. */
const GROUP_CHANGES = 2_000;
const GROUP_BYTES = 8 * 1024 * 1024;
/** When so much waits, `room` holds callers back until it is less. */
const QUEUE_BYTES = 64 * 1024 * 1024;

interface Waiting {
  readonly change: Change;
  readonly bytes: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

export interface Appender {
  /** Whether the queue has reached its bound. */
  readonly full: boolean;
  /** Resolves at once while the queue has room, else when it has again. Await it before each `submit`. */
  room(): Promise<void>;
  /** Resolves once the change is stored, or refused. Throws `WriteRefusedError`, with nothing written. */
  submit(change: Change): Promise<Outcome>;
  /** Resolves when everything that was submitted is answered. */
  drained(): Promise<void>;
}

export function createAppender(store: Store, commits: Commits): Appender {
  const recentIds = RecentIds.fromLog(store);
  let queue: Waiting[] = [];
  let queuedBytes = 0;
  let running: Promise<void> | undefined;
  let whenRoom: (() => void)[] = [];

  const takeGroup = (): Waiting[] => {
    let bytes = 0;
    let size = 0;
    for (const { bytes: more } of queue) {
      bytes += more;
      size += 1;
      if (size >= GROUP_CHANGES || bytes >= GROUP_BYTES) break;
    }
    const group = queue.slice(0, size);
    queue = queue.slice(size);
    queuedBytes -= bytes;
    if (queuedBytes < QUEUE_BYTES) {
      for (const resume of whenRoom) resume();
      whenRoom = [];
    }
    return group;
  };

  const writeGroup = async (group: readonly Waiting[]): Promise<void> => {
    const draft = new GroupDraft(store, recentIds, commits.last, Date.now());
    const answers: (() => void)[] = [];
    for (const { change, resolve, reject } of group) {
      try {
        const outcome = draft.add(change);
        answers.push(() => resolve(outcome));
      } catch (error) {
        reject(error);
      }
    }
    try {
      if (!draft.empty) await store.write(draft.group());
    } catch (error) {
      draft.discard();
      // What was refused was judged by what is now not there: nobody in the group can be told anything else.
      for (const { reject } of group) reject(error);
      return;
    }
    // Readers first: a client that is told of its append may read it at once, from a subscription as well.
    if (!draft.empty) commits.announce(draft.lastPosition, draft.streams());
    for (const answer of answers) answer();
  };

  const run = async (): Promise<void> => {
    while (queue.length > 0) {
      // Everything that the sockets hold by now shall be in this group.
      await setImmediate();
      await writeGroup(takeGroup());
    }
    running = undefined;
  };

  return {
    get full() {
      return queuedBytes >= QUEUE_BYTES;
    },
    room: async () => {
      if (queuedBytes >= QUEUE_BYTES) await new Promise<void>((resolve) => whenRoom.push(resolve));
    },
    submit: (change) =>
      new Promise((resolve, reject) => {
        const bytes = sizeOf(change);
        queue.push({ change, bytes, resolve, reject });
        queuedBytes += bytes;
        running ??= run();
      }),
    drained: async () => {
      await running;
    },
  };
}

function sizeOf(change: Change): number {
  if (change.kind !== "append") return 256;
  let bytes = 256;
  for (const { data, metadata } of change.events) bytes += 128 + data.length + metadata.length;
  return bytes;
}
