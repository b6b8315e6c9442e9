/** Wills that wait for their delay to pass, by session (`sessionKey`). One session has one at most. */
import { MAX_SESSIONS_PER_DEVICE } from "./session-record.js";
import type { PendingWill } from "./session-record.js";

export interface PendingWills {
  /** As many of a device wait as sessions of it are kept: for one more the oldest is sent at once, its session having ended. */
  schedule(session: string, will: PendingWill, send: () => void): void;
  /** The session goes on, or has ended elsewhere: what was waiting is the caller's to send, or to forget. */
  cancel(session: string): PendingWill | undefined;
  stop(): void;
}

/** The longest that a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Waiting {
  readonly timer: NodeJS.Timeout;
  readonly will: PendingWill;
  readonly send: () => void;
}

/** Timers only: what must survive this process stands in the session's record. */
export function createPendingWills(): PendingWills {
  /** By device, then by session, the oldest first. */
  const pending = new Map<string, Map<string, Waiting>>();

  function take(session: string): Waiting | undefined {
    const device = deviceOf(session);
    const ofDevice = pending.get(device);
    const held = ofDevice?.get(session);
    clearTimeout(held?.timer);
    ofDevice?.delete(session);
    if (ofDevice?.size === 0) pending.delete(device);
    return held;
  }

  function schedule(session: string, will: PendingWill, send: () => void): void {
    take(session);
    const left = will.dueAt - Date.now();
    const due = (): void => {
      if (left > MAX_TIMER_MS) schedule(session, will, send);
      else take(session)?.send();
    };
    const timer = setTimeout(due, Math.min(Math.max(left, 0), MAX_TIMER_MS));
    timer.unref();
    const device = deviceOf(session);
    const ofDevice = pending.get(device) ?? new Map<string, Waiting>();
    pending.set(device, ofDevice.set(session, { timer, will, send }));
    const [oldest] = ofDevice.keys();
    if (ofDevice.size > MAX_SESSIONS_PER_DEVICE && oldest !== undefined) take(oldest)?.send();
  }

  return {
    schedule,
    cancel: (session) => take(session)?.will,
    stop() {
      for (const ofDevice of pending.values()) for (const { timer } of ofDevice.values()) clearTimeout(timer);
      pending.clear();
    },
  };
}

/** `{tenant}/{device}` of `{tenant}/{device}/{client id}`, which alone may have further slashes. */
function deviceOf(session: string): string {
  return session.slice(0, session.indexOf("/", session.indexOf("/") + 1));
}
