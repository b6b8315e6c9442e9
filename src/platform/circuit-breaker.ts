/**
 * Between a caller and an engine that may be away: after some failures in a row callers are refused at once, instead of each
 * waiting out its own deadline, and the engine is left in peace. After a pause a single one is let through (half-open): when
 * it succeeds all are, when it fails the next pause is longer. Pauses are jittered, so that processes do not come back together.
 */
import { Backoff } from "./backoff.js";
import { FleetlogError } from "./errors.js";

export interface CircuitBreaker {
  /** Rejects with UNAVAILABLE without running `work` while the circuit is open. What `work` throws is passed on. */
  run<T>(work: () => Promise<T>): Promise<T>;
  readonly state: "closed" | "open" | "half-open";
}

export interface CircuitBreakerOptions {
  /** As a sentence may call it: "the event store". */
  readonly what: string;
  /** Whether an error says that the engine is away; any other is an answer, and closes the circuit. */
  readonly isAway: (error: unknown) => boolean;
  /** Failures in a row after which it opens. */
  readonly threshold?: number;
  readonly firstPauseMs?: number;
  readonly maxPauseMs?: number;
  /** Ms; must not run backwards. */
  readonly clock?: () => number;
}

export function createCircuitBreaker(options: CircuitBreakerOptions): CircuitBreaker {
  const {
    what,
    isAway,
    threshold = 5,
    firstPauseMs = 500,
    maxPauseMs = 5_000,
    clock = () => performance.now(),
  } = options;
  const pauses = new Backoff({ initialMs: firstPauseMs, maxMs: maxPauseMs });
  let failures = 0;
  let state: CircuitBreaker["state"] = "closed";
  let probeAt = 0;

  function failed(): void {
    failures += 1;
    // What began before it opened, and fails late, makes no pause longer.
    if (state === "open" || (state === "closed" && failures < threshold)) return;
    state = "open";
    // Full jitter may be next to nothing: half of the pause is kept in any case.
    probeAt = clock() + firstPauseMs / 2 + pauses.next();
  }

  function answered(): void {
    failures = 0;
    state = "closed";
    pauses.reset();
  }

  return {
    get state() {
      return state;
    },
    async run(work) {
      if (state === "half-open" || (state === "open" && clock() < probeAt)) {
        throw new FleetlogError(
          "UNAVAILABLE",
          `${what} has not been answering, and is tried again before long: try again`,
        );
      }
      if (state === "open") state = "half-open";
      try {
        const result = await work();
        answered();
        return result;
      } catch (error) {
        if (isAway(error)) failed();
        else answered();
        throw error;
      }
    },
  };
}
