/** The way of a connection from CONNECT to its session: who it is, whether there is a place for it, and what an earlier one has left. */
import type { IConnectPacket } from "mqtt-packet";
import { Backoff } from "../../platform/backoff.js";
import { isFleetlogError } from "../../platform/errors.js";
import type { Limiter } from "../../platform/limiter.js";
import type { Logger } from "../../platform/logger.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest } from "../ingest.js";
import type { Registry } from "../registry/registry.js";
import { expiryOf } from "./connack.js";
import { admit, refuseForLimit } from "./login.js";
import type { Admitted, Refused } from "./login.js";
import type { Outgoing } from "./outgoing.js";
import type { OpenedSession, SessionStore } from "./session-store.js";

export interface EntranceDeps {
  readonly ingest: Ingest;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly sessions: SessionStore;
  /** Log-ins that are looked up at one time: a flood of them takes not the registry from the rest. */
  readonly lookups: Limiter;
  /** The longest that a session is kept without a connection. */
  readonly maxExpirySeconds: number;
  /** The device may speak: ends the connections that it has under the same client id. */
  readonly takeOver: (access: DeviceAccess, clientId: string, successor: { readonly clean: boolean }) => void;
}

/** The connection that logs in. */
export interface Entrant {
  readonly id: string;
  readonly outgoing: Outgoing;
  /** False once it has ended. */
  readonly isWaiting: () => boolean;
  /** It has its place among the connections of its device and tenant, which it gives back at its end. */
  readonly counted: (access: DeviceAccess) => void;
}

export interface Entered {
  readonly ok: true;
  readonly admitted: Admitted;
  readonly opened: OpenedSession;
  readonly expirySeconds: number;
}

/** `undefined` when the connection has ended meanwhile. */
export async function enter(
  packet: IConnectPacket,
  entrant: Entrant,
  deps: EntranceDeps,
): Promise<Entered | Refused | undefined> {
  const { id, outgoing, isWaiting, counted } = entrant;
  const { ingest, registry, sessions, lookups, maxExpirySeconds, takeOver } = deps;
  const admitted = await untilAvailable(packet, deps, isWaiting, () =>
    lookups.run(() => admit(packet, outgoing.version, registry)),
  );
  if (admitted === undefined || !admitted.ok) return admitted;
  const { access, clientId } = admitted;
  const clean = packet.clean === true;
  takeOver(access, clientId, { clean });
  const tooMany = ingest.limits.connected(access);
  if (tooMany !== undefined) return refuseForLimit(outgoing.version, tooMany);
  counted(access);
  outgoing.agree(packet);
  const expirySeconds = expiryOf(packet, outgoing.version, maxExpirySeconds);
  const opened = await untilAvailable(packet, deps, isWaiting, () =>
    sessions.open({ access, clientId, owner: id, clean, expirySeconds }),
  );
  return opened === undefined ? undefined : { ok: true, admitted, opened, expirySeconds };
}

/**
 * While the storage or the registry is away the client is kept waiting, until the time for logging in is over and its
 * connection is cut: a CONNACK that says "unavailable" makes some clients give up for good (mqtt.js 5 among them).
 * `undefined` when the connection has ended meanwhile.
 */
async function untilAvailable<T>(
  packet: IConnectPacket,
  { ingest, logger }: EntranceDeps,
  isWaiting: () => boolean,
  attempt: () => Promise<T | "unavailable">,
): Promise<T | undefined> {
  const backoff = new Backoff({ initialMs: 200, maxMs: 2_000 });
  for (;;) {
    const outcome = ingest.available ? await orUnavailable(attempt) : "unavailable";
    if (!isWaiting()) return undefined;
    if (outcome !== "unavailable") return outcome;
    if (backoff.failures === 0) {
      ingest.counters.loginRefused("mqtt", "unavailable");
      logger.debug({ user: packet.username?.slice(0, 130) }, "a log-in waits for the storage or the registry");
    }
    await backoff.wait();
  }
}

async function orUnavailable<T>(attempt: () => Promise<T>): Promise<T | "unavailable"> {
  try {
    return await attempt();
  } catch (error) {
    if (isFleetlogError(error)) return "unavailable";
    throw error;
  }
}
