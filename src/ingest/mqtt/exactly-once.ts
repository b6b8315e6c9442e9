/**
 * QoS 2 from a device (MQTT 5, section 4.3.3): a message is kept before it is stored, PUBREC says that it is stored, and
 * its identifier is held until PUBREL. What comes a second time under an identifier that is held is the same message: it
 * is answered without being stored again; or, where only its record survived a `kill -9`, stored again with the time of
 * its first arrival, which lands on the same points.
 */
import type { Outcome } from "../ingest.js";
import { AckQueue } from "./ack-queue.js";
import type { Unacknowledged } from "./ack-queue.js";
import { reasons } from "./reasons.js";
import type { Saved } from "./durable-session.js";
import type { ReceivedId } from "./session-record.js";

export interface ExactlyOnceDeps {
  /** Has the session kept; not set for a session that lives and dies with its connection. */
  readonly keep: ((saved: Saved) => void) | undefined;
  /** The session could not be kept, or is another connection's now. */
  readonly lost: (problem: "taken-over" | "unavailable") => void;
  readonly pubcomp: (id: number, reasonCode: number) => void;
  readonly protocolError: (message: string) => void;
  /** Has `shiftAnswered` called before long. */
  readonly answered: () => void;
}

interface Message {
  readonly at: number;
  readonly hash: string;
  /** `under-way`: its PUBREC will come. `recorded`: known from the session's record alone. */
  state: "under-way" | "recorded" | "answered";
  outcome: Outcome | undefined;
}

export class ExactlyOnce {
  readonly #messages = new Map<number, Message>();
  readonly #answers = new AckQueue();
  readonly #deps: ExactlyOnceDeps;
  #isOver = false;

  constructor(deps: ExactlyOnceDeps, resumed: readonly ReceivedId[]) {
    this.#deps = deps;
    for (const { id, at, hash } of resumed) {
      this.#messages.set(id, { at, hash, state: "recorded", outcome: undefined });
    }
  }

  /** Messages that the client has not released. */
  get held(): number {
    return this.#messages.size;
  }

  /** Messages whose PUBREC has not left. */
  get pending(): number {
    return this.#answers.size;
  }

  holds(id: number): boolean {
    return this.#messages.has(id);
  }

  *ids(): Iterable<ReceivedId> {
    for (const [id, { at, hash }] of this.#messages) yield { id, at, hash };
  }

  /** `store` is called once the message is kept, with the time of its first arrival. */
  publish(id: number, hash: string, store: (receivedAt: number, done: (outcome: Outcome) => void) => void): void {
    const held = this.#messages.get(id);
    const isKnown = held?.hash === hash;
    if (isKnown && held.state === "under-way") return;
    const entry = this.#answers.push(id);
    if (isKnown && held.state === "answered") {
      this.#answer(held, entry, held.outcome);
      return;
    }
    // Another message under an identifier that was not released: a client that has lost its memory. It is not thrown away.
    const message: Message = { at: isKnown ? held.at : Date.now(), hash, state: "under-way", outcome: undefined };
    this.#messages.set(id, message);
    const go = (): void => {
      if (!this.#isOver) store(message.at, (outcome) => this.#answer(message, entry, outcome));
    };
    if (isKnown || this.#deps.keep === undefined) go();
    else this.#deps.keep((problem) => (problem === undefined ? go() : this.#deps.lost(problem)));
  }

  /** PUBREL. */
  release(id: number): void {
    const held = this.#messages.get(id);
    if (held === undefined) {
      // 3.1.1 has no word for it, and version 5 asks for this one (section 4.3.3).
      this.#deps.pubcomp(id, reasons.packetIdentifierNotFound);
      return;
    }
    if (held.state === "under-way") {
      this.#deps.protocolError("PUBREL came before PUBREC");
      return;
    }
    this.#messages.delete(id);
    const { keep } = this.#deps;
    if (keep === undefined) this.#deps.pubcomp(id, reasons.success);
    else {
      // Only then: else a new message under this identifier could be taken for the old one after a `kill -9`.
      keep((problem) => {
        if (problem === undefined) this.#deps.pubcomp(id, reasons.success);
        else this.#deps.lost(problem);
      });
    }
  }

  /** The oldest message whose PUBREC is due. PUBRECs leave in the order of their PUBLISHes (section 4.6). */
  shiftAnswered(): Unacknowledged | undefined {
    return this.#answers.shiftAnswered();
  }

  /** A PUBREC with an error ends the exchange (section 4.3.3). */
  refused(id: number): void {
    this.#messages.delete(id);
    this.#deps.keep?.((problem) => {
      if (problem !== undefined) this.#deps.lost(problem);
    });
  }

  end(): void {
    this.#isOver = true;
  }

  #answer(message: Message, entry: Unacknowledged, outcome: Outcome | undefined): void {
    message.state = "answered";
    message.outcome = outcome;
    entry.outcome = outcome;
    if (!this.#isOver) this.#deps.answered();
  }
}
