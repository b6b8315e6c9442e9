/** What a door asks before it takes a message or a connection in. */
import type { DeviceAccess } from "../device-access.js";
import type { Refusal } from "../pipeline/refusal.js";

/** A limit is reached: how long until the message fits, and one sentence that names the limit and what to do. */
export interface Wait {
  readonly waitMs: number;
  readonly limit: string;
}

export interface Limits {
  /**
   * Counts a message against the device's, the tenant's and the platform's buckets. `undefined`: it fits, and is counted.
   * Otherwise nothing is counted: a door that can hold its sender back (MQTT: it stops reading the socket) does so for
   * `waitMs` and asks again; one that cannot (HTTP, CoAP) refuses with LIMIT_EXCEEDED, `limit` and Retry-After.
   */
  take(access: DeviceAccess, bytes: number): Wait | undefined;
  /** Counts a connection that has logged in; LIMIT_EXCEEDED when there are too many. Each success is answered by one `disconnected`. */
  connected(access: DeviceAccess): Refusal | undefined;
  disconnected(access: DeviceAccess): void;
}
