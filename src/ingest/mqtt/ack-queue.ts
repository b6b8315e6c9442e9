/**
 * PUBACKs leave in the order in which their PUBLISHes came (MQTT 3.1.1, section 4.6), whatever the order of the storage's
 * answers: frames, reports and rejections go different ways.
 */
import type { Outcome } from "../ingest.js";

export interface Unacknowledged {
  readonly messageId: number;
  /** Of the messages right behind it that share its outcome, because they lie in one frame with it. */
  readonly others: number[];
  outcome: Outcome | undefined;
}

export class AckQueue {
  #entries: Unacknowledged[] = [];
  #head = 0;
  #size = 0;

  /** PUBLISHes whose PUBACK has not left. */
  get size(): number {
    return this.#size;
  }

  push(messageId: number): Unacknowledged {
    const entry = { messageId, others: [], outcome: undefined };
    this.#entries.push(entry);
    this.#size += 1;
    return entry;
  }

  /** The message behind `entry`, which must be the newest, shares its outcome. */
  join(entry: Unacknowledged, messageId: number): void {
    entry.others.push(messageId);
    this.#size += 1;
  }

  isNewest(entry: Unacknowledged): boolean {
    return this.#entries.at(-1) === entry;
  }

  /** The oldest, if it is answered; it leaves the queue. */
  shiftAnswered(): Unacknowledged | undefined {
    const entry = this.#entries[this.#head];
    if (entry?.outcome === undefined) return undefined;
    this.#head += 1;
    this.#size -= 1 + entry.others.length;
    if (this.#head === this.#entries.length) {
      this.#entries = [];
      this.#head = 0;
    } else if (this.#head >= 1_024) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }
}
