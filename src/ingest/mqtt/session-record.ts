/** What is kept of an MQTT session, as FLEETLOG_SESSIONS has it (JSON): one record a session, the newest alone. */
import { createHash } from "node:crypto";
import { z } from "zod";

/**
 * A session is its subscriptions, the QoS 2 messages that its client has not released, and what it was sent and has not
 * acknowledged. What the device is owed is no part of it: that is state of the platform.
 */
export interface SessionState {
  readonly subscriptions: readonly {
    readonly filter: string;
    readonly qos: 0 | 1;
    /** The subscription identifier. */
    readonly id?: number | undefined;
  }[];
  /** QoS 2 messages that came in: their arrival is what makes a second coming the same reading. */
  readonly received: readonly ReceivedId[];
  /** QoS 1 messages that went out. */
  readonly sent: readonly SentId[];
}

export interface ReceivedId {
  readonly id: number;
  /** Ms since the epoch. */
  readonly at: number;
  /** Of topic and payload. */
  readonly hash: string;
}

export interface SentId {
  readonly id: number;
  /** Which debt it pays, and with which version of it. */
  readonly key: string;
  readonly version: number;
}

/** A will that waits for its delay to pass. */
export interface PendingWill {
  readonly topic: string;
  /** Base64. */
  readonly payload: string;
  readonly contentType?: string | undefined;
  /** Ms since the epoch. */
  readonly dueAt: number;
}

export interface SessionRecord extends SessionState {
  readonly form: 1;
  readonly clientId: string;
  /** The connection that wrote it. */
  readonly owner: string;
  readonly savedAt: number;
  readonly expirySeconds: number;
  /** Set once the connection has ended. */
  readonly expiresAt?: number | undefined;
  readonly will?: PendingWill | undefined;
}

export const emptyState: SessionState = { subscriptions: [], received: [], sent: [] };

/** Sessions kept for one device; the one that was written longest ago goes first. */
export const MAX_SESSIONS_PER_DEVICE = 16;

/** A session that is connected is written again this often, so that the time of its last record says how old it may be. */
export const REFRESH_MS = 30 * 60_000;

/** Whether the session is still to be found at `now`. A gateway that was killed leaves records that say nothing of an end. */
export function isAlive({ expiresAt, savedAt, expirySeconds }: SessionRecord, now: number): boolean {
  return now < (expiresAt ?? savedAt + 2 * REFRESH_MS + expirySeconds * 1_000);
}

const record = z.object({
  form: z.literal(1),
  clientId: z.string(),
  owner: z.string(),
  savedAt: z.number(),
  expirySeconds: z.number(),
  expiresAt: z.number().optional(),
  subscriptions: z.array(
    z.object({ filter: z.string(), qos: z.union([z.literal(0), z.literal(1)]), id: z.number().optional() }),
  ),
  received: z.array(z.object({ id: z.number(), at: z.number(), hash: z.string() })),
  sent: z.array(z.object({ id: z.number(), key: z.string(), version: z.number() })),
  will: z
    .object({ topic: z.string(), payload: z.string(), contentType: z.string().optional(), dueAt: z.number() })
    .optional(),
});

/** `undefined` for what a later version of this program has written: then there is no session that we could go on with. */
export function parseRecord(data: Uint8Array): SessionRecord | undefined {
  try {
    const parsed = record.safeParse(JSON.parse(Buffer.from(data).toString("utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export function encodeRecord(kept: SessionRecord): Uint8Array {
  return Buffer.from(JSON.stringify(kept));
}

/** A client id as a subject token: any text may be one, up to 64 KiB. */
export function clientToken(clientId: string): string {
  return createHash("sha256").update(clientId).digest("base64url").slice(0, 22);
}

export function hashOf(topic: string, payload: Buffer): string {
  return createHash("sha256").update(topic).update("\0").update(payload).digest("base64url").slice(0, 16);
}

/** Names a session: client ids are each device's own. */
export function sessionKey(
  { tenantId, deviceId }: { readonly tenantId: string; readonly deviceId: string },
  clientId: string,
): string {
  return `${tenantId}/${deviceId}/${clientId}`;
}
