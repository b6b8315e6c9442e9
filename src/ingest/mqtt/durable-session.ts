/**
 * A session that outlives its connection: its record in JetStream, written whole, one write at a time, and only over the
 * record that was written last by the same connection. Whoever has taken the session over is noticed at the next write.
 */
import { NatsError } from "nats";
import type { JetStreamClient, JetStreamManager } from "nats";
import { messageOf } from "../../platform/errors.js";
import { streams } from "../../platform/subjects.js";
import { encodeRecord, parseRecord, REFRESH_MS } from "./session-record.js";
import type { PendingWill, SessionRecord, SessionState } from "./session-record.js";

/** `undefined`: kept. "taken-over": another connection has the session now. Otherwise why it could not be kept. */
export type Saved = (problem?: "taken-over" | "unavailable") => void;

export interface DurableSession {
  /** Seconds; 0 ends the session with its connection. */
  expirySeconds: number;
  /** Keeps what `state` gives at the time of writing. Saves that come together are one write. */
  save(state: () => SessionState, saved: Saved): void;
  /** Has the record written again where it has become old. */
  refresh(state: () => SessionState, now: number): void;
  /** The connection has ended: keeps the session until it expires, or removes it. Never rejects. */
  end(state: SessionState, will: PendingWill | undefined, now: number): Promise<void>;
  /** The will has been sent, or is not to be. False when another connection has the session now. */
  forgetWill(): Promise<boolean>;
}

export interface DurableSessionOptions {
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly subject: string;
  readonly clientId: string;
  readonly owner: string;
  readonly expirySeconds: number;
  /** Of the record that it begins with. */
  readonly sequence: number;
}

const WRITE_WITHIN_MS = 5_000;
const MAX_TRIES = 3;

export const WRONG_SEQUENCE = 10071;
export const NO_MESSAGE = 10037;

export function createDurableSession(options: DurableSessionOptions): DurableSession {
  const { js, manager, subject, clientId, owner } = options;
  let { sequence, expirySeconds } = options;
  let waiting: { readonly state: () => SessionState; readonly saved: Saved }[] = [];
  let isWriting = false;
  let lastSavedAt = Date.now();
  let ending: Promise<void> | undefined;
  /** Resolves when nothing is being written. */
  let idle: Promise<void> = Promise.resolve();
  let last: SessionRecord | undefined;

  async function drain(): Promise<void> {
    // What comes with the same chunk of bytes is one write.
    await Promise.resolve();
    while (waiting.length > 0) {
      const told = waiting;
      waiting = [];
      const newest = told.at(-1);
      if (newest === undefined) break;
      const problem = await write(newest.state(), {});
      for (const { saved } of told) saved(problem);
    }
    isWriting = false;
  }

  async function write(
    { subscriptions, received, sent }: SessionState,
    more: { readonly expiresAt?: number; readonly will?: PendingWill },
  ): Promise<"taken-over" | "unavailable" | undefined> {
    const savedAt = Date.now();
    last = { form: 1, clientId, owner, savedAt, expirySeconds, subscriptions, received, sent, ...more };
    const data = encodeRecord(last);
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      try {
        const { seq } = await js.publish(subject, data, {
          expect: { lastSubjectSequence: sequence },
          timeout: WRITE_WITHIN_MS,
        });
        sequence = seq;
        lastSavedAt = savedAt;
        return undefined;
      } catch (error) {
        if (!hasCode(error, WRONG_SEQUENCE)) return "unavailable";
        const found = await findLast().catch(messageOf);
        if (typeof found === "string") return "unavailable";
        if (found !== undefined && found.owner !== owner) return "taken-over";
        // An earlier write of ours whose answer was lost; or the record was dropped for a newer session of the device.
        sequence = found?.sequence ?? 0;
      }
    }
    return "unavailable";
  }

  async function findLast(): Promise<{ readonly owner: string | undefined; readonly sequence: number } | undefined> {
    try {
      const { data, seq } = await manager.streams.getMessage(streams.sessions, { last_by_subj: subject });
      return { owner: parseRecord(data)?.owner, sequence: seq };
    } catch (error) {
      if (hasCode(error, NO_MESSAGE)) return undefined;
      throw error;
    }
  }

  async function finish(state: SessionState, will: PendingWill | undefined, now: number): Promise<void> {
    await idle;
    if (expirySeconds > 0) {
      await write(state, { expiresAt: now + expirySeconds * 1_000, ...(will === undefined ? {} : { will }) });
      return;
    }
    try {
      // Up to our own record: one that came later is another connection's.
      await manager.streams.purge(streams.sessions, { filter: subject, seq: sequence + 1 });
    } catch {
      // It expires by itself: connected or not, its time is 0.
      await write(state, { expiresAt: now });
    }
  }

  return {
    get expirySeconds() {
      return expirySeconds;
    },
    set expirySeconds(value) {
      expirySeconds = value;
    },
    save(state, saved) {
      waiting.push({ state, saved });
      if (isWriting) return;
      isWriting = true;
      idle = drain();
    },
    refresh(state, now) {
      if (isWriting || now - lastSavedAt < REFRESH_MS) return;
      this.save(state, () => {});
    },
    end(state, will, now) {
      ending ??= finish(state, will, now);
      return ending;
    },
    async forgetWill() {
      await ending;
      const held = last;
      if (held?.expiresAt === undefined) return false;
      return (await write(held, { expiresAt: held.expiresAt })) === undefined;
    },
  };
}

export function hasCode(error: unknown, code: number): boolean {
  return error instanceof NatsError && error.api_error?.err_code === code;
}
