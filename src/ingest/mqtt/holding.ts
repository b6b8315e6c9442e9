/** When a connection is not read from, and until when: TCP then holds its sender back, and nothing of ours grows. */
import type { Duplex } from "node:stream";
import type { Ingest } from "../ingest.js";
import { RECEIVE_MAXIMUM } from "./answers.js";
import type { Outgoing } from "./outgoing.js";
import type { Publish } from "./packets.js";

/** The connection that is held back. */
export interface Held {
  readonly unacknowledged: number;
  readonly isClosed: boolean;
  /** Takes what has come meanwhile; it may be held again by that. */
  goOn(): void;
}

/** The longest without another look at a limit that is reached. */
const MAX_LIMIT_HOLD_MS = 10_000;
/** That a connection may say in its turn while others wait. */
const TURN_PACKETS = 32;

export class Holding {
  /** What reading is paused for, by our own wish. */
  #holdsFor: "nothing" | "room" | "acknowledgements" | "limit" | "the-end" = "nothing";
  /** Packets that may still be taken in this turn; 0 outside of one, and after it. */
  #turn = 0;
  /** A PUBLISH that waits for its limit to let it pass. */
  #held: Publish | undefined;
  readonly #wire: Duplex;
  readonly #ingest: Ingest;
  readonly #outgoing: Outgoing;
  readonly #connection: Held;

  constructor(wire: Duplex, ingest: Ingest, outgoing: Outgoing, connection: Held) {
    this.#wire = wire;
    this.#ingest = ingest;
    this.#outgoing = outgoing;
    this.#connection = connection;
  }

  get holds(): boolean {
    return this.#holdsFor !== "nothing";
  }

  /** Before each packet of a connection that is open: whether it waits, and those behind it. */
  mustHold(): boolean {
    if (this.#holdsFor !== "nothing") return true;
    if (this.#ingest.saturated || this.#isTurnOver()) {
      this.hold("room");
      this.#ingest.whenRoom(() => {
        this.#turn = TURN_PACKETS;
        this.#resumeFrom("room");
        this.#turn = 0;
      });
      return true;
    }
    // Version 5 knows the maximum, and the session ends who passes it; the others do not.
    if (this.#outgoing.version === 5 || this.#connection.unacknowledged < RECEIVE_MAXIMUM) return false;
    this.hold("acknowledgements");
    return true;
  }

  hold(why: "room" | "acknowledgements" | "limit" | "the-end"): void {
    this.#holdsFor = why;
    this.#wire.pause();
  }

  /** A limit is reached: nothing is read until the message fits. What is acknowledged meanwhile still leaves. */
  holdFor(waitMs: number, packet: Publish): void {
    if (this.#holdsFor === "the-end") return;
    this.#held = packet;
    this.hold("limit");
    setTimeout(() => this.#resumeFrom("limit"), Math.min(waitMs, MAX_LIMIT_HOLD_MS)).unref();
  }

  /** The PUBLISH that has waited for its limit, once nothing holds it. */
  takeHeld(): Publish | undefined {
    if (this.#held === undefined || this.#holdsFor !== "nothing") return undefined;
    const held = this.#held;
    this.#held = undefined;
    return held;
  }

  /** Acknowledgements have left. */
  acknowledged(): void {
    if (this.#connection.unacknowledged < RECEIVE_MAXIMUM / 2) this.#resumeFrom("acknowledgements");
  }

  /** Called back among others that wait, it takes so many packets; in a flood, each sender gets its turn. */
  #isTurnOver(): boolean {
    if (this.#turn === 0) return false;
    this.#turn -= 1;
    return this.#turn === 0 && this.#ingest.crowded;
  }

  #resumeFrom(why: "room" | "acknowledgements" | "limit"): void {
    if (this.#holdsFor !== why || this.#connection.isClosed) return;
    this.#holdsFor = "nothing";
    this.#connection.goOn();
    // What has come is taken first: it may be enough for now.
    if (!this.holds) this.#wire.resume();
  }
}
