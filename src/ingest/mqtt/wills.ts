/** Wills that wait for their delay to pass, by session. One session has one at most. */
import type { PendingWill } from "./session-record.js";

export interface PendingWills {
  schedule(session: string, will: PendingWill, send: () => void): void;
  /** The session goes on, or has ended elsewhere: what was waiting is the caller's to send, or to forget. */
  cancel(session: string): PendingWill | undefined;
  stop(): void;
}

/** The longest that a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Timers only: what must survive this process stands in the session's record. */
export function createPendingWills(): PendingWills {
  const pending = new Map<string, { readonly timer: NodeJS.Timeout; readonly will: PendingWill }>();
  function schedule(session: string, will: PendingWill, send: () => void): void {
    clearTimeout(pending.get(session)?.timer);
    const left = will.dueAt - Date.now();
    const timer = setTimeout(
      () => {
        if (left > MAX_TIMER_MS) {
          schedule(session, will, send);
          return;
        }
        pending.delete(session);
        send();
      },
      Math.min(Math.max(left, 0), MAX_TIMER_MS),
    );
    timer.unref();
    pending.set(session, { timer, will });
  }
  return {
    schedule,
    cancel(session) {
      const held = pending.get(session);
      clearTimeout(held?.timer);
      pending.delete(session);
      return held?.will;
    },
    stop() {
      for (const { timer } of pending.values()) clearTimeout(timer);
      pending.clear();
    },
  };
}
