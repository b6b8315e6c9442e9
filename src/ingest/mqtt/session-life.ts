/** What the parts of one session share: whether it is over, how it is kept, and how it is ended. */
import type { DurableSession, Saved } from "./durable-session.js";
import type { EndReason } from "./end-reason.js";
import { reasons } from "./reasons.js";
import type { SessionState } from "./session-record.js";

export type Close = (reason: EndReason, code: number, message: string) => void;

export class SessionLife {
  isOver = false;
  /** Not set for a session that ends with its connection. */
  readonly durable: DurableSession | undefined;
  readonly close: Close;
  readonly #state: () => SessionState;

  constructor(durable: DurableSession | undefined, state: () => SessionState, close: Close) {
    this.durable = durable;
    this.close = close;
    this.#state = state;
  }

  /** `saved` is called at once where nothing is kept. */
  keep(saved: Saved): void {
    if (this.durable === undefined) saved();
    else this.durable.save(this.#state, saved);
  }

  lost(problem: "taken-over" | "unavailable"): void {
    if (this.isOver) return;
    if (problem === "taken-over") {
      const message = "another connection has logged in with the same client id";
      this.close("taken-over", reasons.sessionTakenOver, message);
    } else {
      const message = "the session could not be kept: connect again";
      this.close("session-lost", reasons.serverUnavailable, message);
    }
  }

  protocolError(code: number, message: string): void {
    this.close("protocol", code, message);
  }
}
