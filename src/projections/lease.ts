import type { Collection, Db } from "mongodb";
import { MongoServerError } from "mongodb";
import type { Logger } from "../platform/logger.js";
import { messageOf } from "../platform/errors.js";

interface LeaseDocument {
  readonly _id: string;
  readonly owner: string;
  readonly token: number;
  readonly expiresAt: Date;
}

const LEASE_MS = 10_000;
const RENEW_MS = 3_000;
const DUPLICATE_KEY = 11_000;

export interface Lease {
  /** Rises with every change of hands: what a write of an older holder is refused by. */
  readonly token: number;
  /** Aborted when the lease could not be renewed in time: another may hold it now. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/**
 * One holder at a time for `name`, across processes and machines. Waits until it is free. An owner that comes back
 * under its own name (restarted on the same data directory) takes it over at once. Aborting `signal` ends the wait by a throw.
 */
export async function holdLease(
  db: Db,
  name: string,
  owner: string,
  logger: Logger,
  signal: AbortSignal,
  wait: (signal: AbortSignal) => Promise<void>,
): Promise<Lease> {
  const collection = db.collection<LeaseDocument>("leases");
  for (;;) {
    signal.throwIfAborted();
    const token = await take(collection, name, owner);
    if (token !== undefined) return keep(collection, name, owner, token, logger);
    await wait(signal);
  }
}

type Leases = Collection<LeaseDocument>;

async function take(collection: Leases, name: string, owner: string): Promise<number | undefined> {
  const now = Date.now();
  try {
    const taken = await collection.findOneAndUpdate(
      { _id: name, $or: [{ owner }, { expiresAt: { $lt: new Date(now) } }] },
      { $set: { owner, expiresAt: new Date(now + LEASE_MS) }, $inc: { token: 1 } },
      { upsert: true, returnDocument: "after" },
    );
    return taken?.token;
  } catch (error) {
    // Somebody holds it: the filter matched nothing, and the upsert met the holder's document.
    if (error instanceof MongoServerError && error.code === DUPLICATE_KEY) return undefined;
    throw error;
  }
}

function keep(collection: Leases, name: string, owner: string, token: number, logger: Logger): Lease {
  const lost = new AbortController();
  let renewedAt = Date.now();
  async function renew(): Promise<void> {
    try {
      const expiresAt = new Date(Date.now() + LEASE_MS);
      const { matchedCount } = await collection.updateOne({ _id: name, owner, token }, { $set: { expiresAt } });
      if (matchedCount === 1) renewedAt = Date.now();
      else lost.abort(new Error(`the lease ${name} went to another`));
    } catch (error) {
      logger.warn({ lease: name, error: messageOf(error) }, "could not renew the lease; trying again");
      if (Date.now() - renewedAt > LEASE_MS) lost.abort(new Error(`the lease ${name} ran out`));
    }
  }
  const timer = setInterval(() => void renew(), RENEW_MS);
  return {
    token,
    lost: lost.signal,
    async release() {
      clearInterval(timer);
      await collection.updateOne({ _id: name, owner, token }, { $set: { expiresAt: new Date(0) } });
    },
  };
}
