/**
 * One runner at a time. The lease lives in JetStream and not, as the projector's, in the document store: who takes the
 * frames must not need anything that may be away while telemetry flows, or the frames would pile up behind it.
 */
import type { KV, NatsConnection } from "nats";
import { messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";

const BUCKET = "FLEETLOG_LEASES";
/** The server forgets a lease that was not renewed for so long. */
const LEASE_MS = 10_000;
const RENEW_MS = 3_000;

export interface Term {
  /** Aborted when the lease could not be renewed in time: another may hold it now. */
  readonly lost: AbortSignal;
  /** Whether nobody else can hold it at this moment, by our own clock; also after this process was asleep. */
  holds(): boolean;
  release(): Promise<void>;
}

/**
 * Waits until `name` is free, and holds it for `owner`. An owner that comes back under its own name takes it over at once.
 * Aborting `signal` ends the wait by a throw.
 */
export async function holdTerm(
  nc: NatsConnection,
  name: string,
  owner: string,
  logger: Logger,
  signal: AbortSignal,
  wait: (signal: AbortSignal) => Promise<void>,
): Promise<Term> {
  const leases = await nc.jetstream().views.kv(BUCKET, { history: 1, ttl: LEASE_MS });
  for (;;) {
    signal.throwIfAborted();
    const revision = await take(leases, name, owner);
    if (revision !== undefined) return keep(leases, name, owner, revision, logger);
    await wait(signal);
  }
}

async function take(leases: KV, name: string, owner: string): Promise<number | undefined> {
  const held = await leases.get(name);
  try {
    if (held === null || held.operation !== "PUT") return await leases.create(name, owner);
    if (held.string() === owner) return await leases.update(name, owner, held.revision);
    return undefined;
  } catch (error) {
    // Somebody was faster. An engine that is away says so at the next question.
    if (/wrong last sequence/u.test(messageOf(error))) return undefined;
    throw error;
  }
}

function keep(leases: KV, name: string, owner: string, first: number, logger: Logger): Term {
  const lost = new AbortController();
  let revision = first;
  let renewedAt = Date.now();
  let isReleased = false;
  async function renew(): Promise<void> {
    const since = Date.now();
    try {
      revision = await leases.update(name, owner, revision);
      renewedAt = since;
    } catch (error) {
      if (isReleased) return;
      logger.warn({ lease: name, error: messageOf(error) }, "could not renew the lease; trying again");
      if (/wrong last sequence/u.test(messageOf(error))) lost.abort(new Error(`the lease ${name} went to another`));
    }
    if (Date.now() - renewedAt > LEASE_MS) lost.abort(new Error(`the lease ${name} ran out`));
  }
  const timer = setInterval(() => void renew(), RENEW_MS);
  return {
    lost: lost.signal,
    // The server's time began to run after ours: it forgets later than we do.
    holds: () => !lost.signal.aborted && Date.now() - renewedAt < LEASE_MS,
    async release() {
      clearInterval(timer);
      isReleased = true;
      if (!lost.signal.aborted) await leases.delete(name, { previousSeq: revision });
    },
  };
}
