import type { Limits, RateLimit } from "../../domain/tenant/index.js";
import { TokenBucket } from "./token-bucket.js";

/** Those who wait for one limit are told to come one after the other, within this beyond the first, ms. */
const MAX_SPREAD_MS = 1_000;

/** What one device, one tenant or the platform has used of its limits. Where there is no limit, nothing is kept. */
export class Meter {
  connections = 0;
  #limits: Limits = {};
  #messages: TokenBucket | undefined;
  #bytes: TokenBucket | undefined;
  /** When the last of those who wait was told to come. */
  #lastTurn = 0;

  constructor(limits: Limits, now: number) {
    this.change(limits, now);
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** What was used up stays used up: nobody gains a burst by a change. */
  change(limits: Limits, now: number): void {
    this.#limits = limits;
    this.#messages = changed(this.#messages, limits.messages, now);
    this.#bytes = changed(this.#bytes, limits.bytes, now);
  }

  /** Ms until so many messages of so many bytes together fit; 0 when they do now. */
  waitFor(messages: number, bytes: number, now: number): number {
    const forMessages = this.#messages === undefined ? 0 : this.#messages.waitFor(messages, now);
    const forBytes = this.#bytes === undefined ? 0 : this.#bytes.waitFor(bytes, now);
    return forMessages > forBytes ? forMessages : forBytes;
  }

  take(messages: number, bytes: number): void {
    this.#messages?.take(messages);
    this.#bytes?.take(bytes);
  }

  /**
   * For those who do not fit: how long they should wait, and the limit in words ("2,000 messages a second, 20,000 at once").
   * A thousand connections that wait for one bucket would all come at the moment at which it has room for one: each is told
   * a time later by what the one before it takes.
   */
  refuse(messages: number, bytes: number, now: number): { readonly waitMs: number; readonly rule: string } {
    const { messages: ofMessages, bytes: ofBytes } = this.#limits;
    const forMessages = this.#messages?.waitFor(messages, now) ?? 0;
    const forBytes = this.#bytes?.waitFor(bytes, now) ?? 0;
    const isBytes = forBytes > forMessages;
    const { perSecond, burst } = (isBytes ? ofBytes : ofMessages) ?? { perSecond: 0, burst: 0 };
    const waitMs = isBytes ? forBytes : forMessages;
    const due = now + waitMs;
    const turn = this.#lastTurn + ((isBytes ? bytes : messages) * 1_000) / perSecond;
    this.#lastTurn = turn > due && turn <= due + MAX_SPREAD_MS ? turn : due;
    return {
      // Less what the sum above may have lost in its last digit.
      waitMs: Math.ceil(this.#lastTurn - now - 1e-6),
      rule: `${count(perSecond)} ${isBytes ? "bytes" : "messages"} a second, ${count(burst)} at once`,
    };
  }

  get isFull(): boolean {
    return this.connections >= (this.#limits.connections ?? Number.POSITIVE_INFINITY);
  }

  /** Forgotten now and met again later, it would stand where it stands. */
  isIdle(now: number): boolean {
    return this.connections === 0 && (this.#messages?.isFull(now) ?? true) && (this.#bytes?.isFull(now) ?? true);
  }
}

function changed(held: TokenBucket | undefined, limit: RateLimit | undefined, now: number): TokenBucket | undefined {
  if (limit === undefined) return undefined;
  if (held === undefined) return new TokenBucket(limit, now);
  held.change(limit, now);
  return held;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
