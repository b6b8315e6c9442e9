import type { Logger } from "../../../platform/logger.js";
import type { Appender } from "../semantics/appender.js";
import type { Commits } from "../semantics/commits.js";
import type { Store } from "../storage/store.js";

/** What every call works with. */
export interface CallContext {
  readonly store: Store;
  readonly commits: Commits;
  readonly appender: Appender;
  readonly logger: Logger;
  /** Most bytes of data and metadata in one append, as EventStoreDB's `MaxAppendSize`. */
  readonly maxAppendBytes: number;
  /** Aborted when the server stops: calls without an end of their own end then. */
  readonly stopping: AbortController;
}
