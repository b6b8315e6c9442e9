/**
 * Where sessions are found again, by this gateway or another. Client ids are a device's own: the same id of another device,
 * of this tenant or another, is another session.
 */
import type { NatsConnection, StoredMsg } from "nats";
import { FleetlogError, messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import { streams, subjects } from "../../platform/subjects.js";
import type { DeviceAccess } from "../registry/device-access.js";
import { createDurableSession, hasCode, NO_MESSAGE, WRONG_SEQUENCE } from "./durable-session.js";
import type { DurableSession } from "./durable-session.js";
import {
  clientToken,
  emptyState,
  encodeRecord,
  isAlive,
  MAX_SESSIONS_PER_DEVICE,
  parseRecord,
} from "./session-record.js";
import type { PendingWill, SessionRecord, SessionState } from "./session-record.js";

export interface SessionRequest {
  readonly access: DeviceAccess;
  readonly clientId: string;
  /** Names the connection. */
  readonly owner: string;
  /** What was before is forgotten. */
  readonly clean: boolean;
  /** Seconds; 0 for a session that ends with its connection. */
  readonly expirySeconds: number;
}

export interface OpenedSession {
  /** Whether there was a session, which goes on. */
  readonly present: boolean;
  readonly state: SessionState;
  /** Where the session is kept; not set for one that ends with its connection. */
  readonly durable?: DurableSession;
  /** The will of the session that ended here, or one whose time had come while no gateway was there to send it. */
  readonly will?: PendingWill;
}

export interface SessionStore {
  /** Throws FleetlogError UNAVAILABLE when JetStream does not answer. */
  open(request: SessionRequest): Promise<OpenedSession>;
}

const MAX_TRIES = 5;

interface Found {
  readonly record: SessionRecord | undefined;
  readonly sequence: number;
}

export async function createSessionStore(nc: NatsConnection, logger: Logger): Promise<SessionStore> {
  const js = nc.jetstream();
  const manager = await nc.jetstreamManager({ checkAPI: false });

  async function find(subject: string): Promise<Found | undefined> {
    let message: StoredMsg;
    try {
      // From the leader, not from any replica: a record that is a moment old would be a session that is not.
      message = await manager.streams.getMessage(streams.sessions, { last_by_subj: subject });
    } catch (error) {
      if (hasCode(error, NO_MESSAGE)) return undefined;
      throw error;
    }
    return { record: parseRecord(message.data), sequence: message.seq };
  }

  async function tryOpen(request: SessionRequest, subject: string): Promise<OpenedSession | "changed"> {
    const { access, clientId, owner, clean, expirySeconds } = request;
    const now = Date.now();
    const found = await find(subject);
    const alive = found?.record !== undefined && isAlive(found.record, now) ? found.record : undefined;
    const goesOn = alive !== undefined && !clean;
    const state = goesOn ? alive : emptyState;
    const opened = { present: goesOn, state, ...dueWill(found?.record, goesOn, now) };
    if (expirySeconds === 0) {
      if (found !== undefined) {
        await manager.streams.purge(streams.sessions, { filter: subject, seq: found.sequence + 1 });
      }
      return opened;
    }
    if (found === undefined) await makeRoom(access);
    const { subscriptions, received, sent } = state;
    const record = { form: 1, clientId, owner, savedAt: now, expirySeconds, subscriptions, received, sent } as const;
    try {
      const { seq: sequence } = await js.publish(subject, encodeRecord(record), {
        expect: { lastSubjectSequence: found?.sequence ?? 0 },
      });
      const options = { js, manager, subject, clientId, owner, expirySeconds, sequence };
      return { ...opened, durable: createDurableSession(options) };
    } catch (error) {
      if (hasCode(error, WRONG_SEQUENCE)) return "changed";
      throw error;
    }
  }

  async function makeRoom({ tenantId, deviceId }: DeviceAccess): Promise<void> {
    const filter = subjects.session(tenantId, deviceId, "*");
    const { state } = await manager.streams.info(streams.sessions, { subjects_filter: filter });
    const held = Object.keys(state.subjects ?? {});
    if (held.length < MAX_SESSIONS_PER_DEVICE) return;
    const all = await Promise.all(held.map(async (subject) => ({ subject, found: await find(subject) })));
    const oldestFirst = all.toSorted((a, b) => (a.found?.sequence ?? 0) - (b.found?.sequence ?? 0));
    for (const { subject, found } of oldestFirst.slice(0, held.length - MAX_SESSIONS_PER_DEVICE + 1)) {
      if (found === undefined) continue;
      logger.info({ device: deviceId, client: found.record?.clientId }, "dropped a device's oldest MQTT session");
      await manager.streams.purge(streams.sessions, { filter: subject, seq: found.sequence + 1 });
    }
  }

  return {
    async open(request) {
      const { access, clientId } = request;
      const subject = subjects.session(access.tenantId, access.deviceId, clientToken(clientId));
      try {
        for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
          const opened = await tryOpen(request, subject);
          if (opened !== "changed") return opened;
        }
      } catch (error) {
        throw new FleetlogError("UNAVAILABLE", `sessions cannot be read: ${messageOf(error)}`, {}, { cause: error });
      }
      throw new FleetlogError("UNAVAILABLE", "the session keeps changing: several clients have one id");
    },
  };
}

/** The session goes on in time: then its will is not sent (MQTT 5, section 3.1.3.2.2). */
function dueWill(record: SessionRecord | undefined, goesOn: boolean, now: number): { readonly will?: PendingWill } {
  const will = record?.will;
  if (will === undefined || (goesOn && will.dueAt > now)) return {};
  return { will };
}
