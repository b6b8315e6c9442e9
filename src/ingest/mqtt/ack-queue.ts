/**
 * PUBACKs leave in the order in which their PUBLISHes came (MQTT 3.1.1, section 4.6), whatever the order of the storage's
 * answers: frames, reports and rejections go different ways.
 */
import type { Outcome } from "../ingest.js";

export interface Unacknowledged {
  readonly messageId: number;
  outcome: Outcome | undefined;
}

export class AckQueue {
  #entries: Unacknowledged[] = [];
  #head = 0;

  /** PUBLISHes whose PUBACK has not left. */
  get size(): number {
    return this.#entries.length - this.#head;
  }

  push(messageId: number): Unacknowledged {
    const entry = { messageId, outcome: undefined };
    this.#entries.push(entry);
    return entry;
  }

  /** The oldest, if it is answered; it leaves the queue. */
  shiftAnswered(): Unacknowledged | undefined {
    const entry = this.#entries[this.#head];
    if (entry?.outcome === undefined) return undefined;
    this.#head += 1;
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
