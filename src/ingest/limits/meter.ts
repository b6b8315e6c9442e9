import type { Limits, RateLimit } from "../../domain/tenant/index.js";
import { TokenBucket } from "./token-bucket.js";

/** What one device, one tenant or the platform has used of its limits. Where there is no limit, nothing is kept. */
export class Meter {
  connections = 0;
  #limits: Limits = {};
  #messages: TokenBucket | undefined;
  #bytes: TokenBucket | undefined;

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

  /** Whose limit a message has to wait for longest, in words: "2,000 messages a second, 20,000 at once". */
  rule(messages: number, bytes: number, now: number): string {
    const { messages: ofMessages, bytes: ofBytes } = this.#limits;
    const forMessages = this.#messages?.waitFor(messages, now) ?? 0;
    const forBytes = this.#bytes?.waitFor(bytes, now) ?? 0;
    const isBytes = forBytes > forMessages;
    const rate = isBytes ? ofBytes : ofMessages;
    return `${count(rate?.perSecond)} ${isBytes ? "bytes" : "messages"} a second, ${count(rate?.burst)} at once`;
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

function count(value: number | undefined): string {
  return (value ?? 0).toLocaleString("en-US");
}
