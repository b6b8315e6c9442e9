export interface RollupOptions {
  /** A minute is closed so long after its end: what comes meanwhile is not late. 15 s when not given. */
  readonly graceMs?: number;
  /** Late readings gather so long before their windows are computed again, so that one computation does for many. 10 s when not given. */
  readonly lateDelayMs?: number;
  /** How often there is a look at what is due. 1 s when not given. */
  readonly everyMs?: number;
  /** The time, ms; for tests that cannot wait for it. */
  readonly now?: () => number;
}
