/** The will of one connection: sent at its end, later, or never. */
import { maySpeak } from "../registry/device-access.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { DurableSession } from "./durable-session.js";
import type { Will } from "./login.js";
import type { PendingWill } from "./session-record.js";
import type { PendingWills } from "./wills.js";

export interface LastWillDeps {
  /** Of the session, among those with pending wills. */
  readonly key: string;
  readonly wills: PendingWills;
  readonly durable: DurableSession | undefined;
  /** The device as it is known at that moment. */
  readonly access: () => DeviceAccess;
  readonly send: (will: PendingWill) => void;
}

/**
 * Does with a will what the end of its connection asks for (MQTT 5, section 3.1.3.2.2). `successor`: another connection has
 * the session now. Returns the will that waits for its delay, which the session's record should have.
 */
export function endWithWill(
  will: Will | undefined,
  successor: { readonly clean: boolean } | undefined,
  now: number,
  deps: LastWillDeps,
): PendingWill | undefined {
  if (will === undefined) return undefined;
  const { key, wills, durable, access, send } = deps;
  // No longer than the session lives.
  const delay = Math.min(will.delay, durable?.expirySeconds ?? 0);
  // The successor goes on with the session in time, or has ended it.
  if (delay === 0 || successor?.clean === true) send(pendingWill(will, now));
  if (delay === 0 || successor !== undefined) return undefined;
  const pending = pendingWill(will, now + delay * 1_000);
  wills.schedule(key, pending, () => {
    // Who may no longer speak has no last word either.
    if (maySpeak(access())) send(pending);
    void durable?.forgetWill();
  });
  return pending;
}

function pendingWill({ topic, payload, contentType }: Will, dueAt: number): PendingWill {
  const kept = { topic, payload: payload.toString("base64"), dueAt };
  return contentType === undefined ? kept : { ...kept, contentType };
}
