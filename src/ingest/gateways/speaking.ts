/** What a speaker stands on, and what it shares with the handlers of the dialects: they know it by this alone. */
import type { Logger } from "../../platform/logger.js";
import type { Door } from "../counters.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest } from "../ingest.js";
import type { Children, ChildRegistry } from "./children.js";

export interface SpeakerDeps {
  readonly ingest: Ingest;
  readonly registry: ChildRegistry;
  readonly logger: Logger;
  readonly door: Door;
  /** Sends to the client what it has a subscription for, and drops the rest. */
  readonly send: (topic: string, payload: string | Uint8Array) => void;
  /** `owed` has more to say than before. */
  readonly owesMore?: () => void;
  /** Ms since the epoch. */
  readonly lastHeardAt: () => number;
}

/** What the handlers of the dialects share. */
export interface Speaking {
  readonly deps: SpeakerDeps;
  readonly children: Children;
  /** Of the client itself. */
  access(): DeviceAccess;
}
