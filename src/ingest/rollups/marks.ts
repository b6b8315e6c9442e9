/**
 * How far things are done, kept in JetStream: which windows are closed (their rollups are written), and how far retention
 * has swept, and which of them are owed a correction. Each is stored before anybody relies on it, so a process that is killed goes on where it stood.
 */
import type { KV, NatsConnection } from "nats";
import type { Swept } from "../retention/swept.js";
import type { Level } from "./levels.js";
import type { OwedMarks, OwedSpan } from "./owed.js";

const BUCKET = "FLEETLOG_ROLLUPS";
const CLOSED = "closed";
const SEEN = "seen";
const OWED = "owed.";

/** Ms: the windows of a level that lie wholly before its mark are rolled up. */
export type Closed = Readonly<Record<Level, number>>;

export interface Marks extends OwedMarks {
  /** `undefined` before the first rollup ever. */
  closed(): Promise<Closed | undefined>;
  close(closed: Closed): Promise<void>;
  /** Ms: no frame with a reading from then on has been let go; `undefined` before the first. */
  seenBefore(): Promise<number | undefined>;
  setSeenBefore(time: number): Promise<void>;
  /** When the tenant's rollups lack late readings; in the order of time, apart from each other. */
  owed(tenant: string): Promise<readonly OwedSpan[]>;
  /** What of the tenant's telemetry is deleted, or may be any moment. */
  swept(tenant: string): Promise<Swept>;
  /** Stored before a deletion begins: from then on nothing before it is rolled up again from what is left. */
  seal(tenant: string, swept: Swept): Promise<void>;
  /** How far each deletion has been carried out, by its mark. */
  deleted(tenant: string): Promise<Swept>;
  setDeleted(tenant: string, deleted: Swept): Promise<void>;
}

export async function openMarks(nc: NatsConnection): Promise<Marks> {
  const bucket = await nc.jetstream().views.kv(BUCKET, { history: 1 });
  return {
    closed: () => read<Closed>(bucket, CLOSED),
    async close(closed) {
      await bucket.put(CLOSED, JSON.stringify(closed));
    },
    seenBefore: () => read<number>(bucket, SEEN),
    async setSeenBefore(time) {
      await bucket.put(SEEN, JSON.stringify(time));
    },
    owed: async (tenant) => (await read<readonly OwedSpan[]>(bucket, OWED + tenant)) ?? [],
    async allOwed() {
      const found = new Map<string, readonly OwedSpan[]>();
      for await (const key of await bucket.keys(`${OWED}*`)) {
        found.set(key.slice(OWED.length), (await read<readonly OwedSpan[]>(bucket, key)) ?? []);
      }
      return found;
    },
    async setOwed(tenant, spans) {
      await (spans.length === 0 ? bucket.delete(OWED + tenant) : bucket.put(OWED + tenant, JSON.stringify(spans)));
    },
    swept: async (tenant) => (await read<Swept>(bucket, `swept.${tenant}`)) ?? {},
    async seal(tenant, swept) {
      await bucket.put(`swept.${tenant}`, JSON.stringify(swept));
    },
    deleted: async (tenant) => (await read<Swept>(bucket, `deleted.${tenant}`)) ?? {},
    async setDeleted(tenant, deleted) {
      await bucket.put(`deleted.${tenant}`, JSON.stringify(deleted));
    },
  };
}

async function read<T>(bucket: KV, key: string): Promise<T | undefined> {
  const entry = await bucket.get(key);
  return entry === null || entry.operation !== "PUT" ? undefined : entry.json<T>();
}
