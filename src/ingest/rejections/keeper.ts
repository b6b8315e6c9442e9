/**
 * Keeps refused messages, durably, before their senders are answered. A flood of them must not cost others anything: of
 * each device and each tenant so many a second are kept whole, and the rest are counted. The count is as durable as the
 * message would be: whoever is answered stands in JetStream, as himself or as one more in a count.
 */
import { BoundedMap } from "../../platform/bounded-map.js";
import type { ErrorCode } from "../../platform/errors.js";
import type { Running } from "../../platform/lifecycle.js";
import { subjects } from "../../platform/subjects.js";
import type { Door } from "../counters.js";
import type { Published, Publisher } from "../jetstream/publisher.js";
import { encodeRejection, keptBytesOf } from "./rejection.js";
import type { RejectionCount, RejectionCounts, Refused } from "./rejection.js";

export interface RejectionKeeper extends Running {
  /** Never throws. `done` is called once, when JetStream has the message or the count that it is in. */
  keep(tenantId: string, deviceId: string, refused: Refused, done: Published): void;
}

/** What is kept whole, per process. `perSecond` refills, `burst` is what may come at once. */
export interface KeepRates {
  readonly device: { readonly perSecond: number; readonly burst: number };
  readonly tenant: { readonly perSecond: number; readonly burst: number };
  readonly tenantBytes: { readonly perSecond: number; readonly burst: number };
}

/** Public: docs/guides/rejections.md. */
const KEEP_RATES: KeepRates = {
  device: { perSecond: 1, burst: 60 },
  tenant: { perSecond: 20, burst: 1_000 },
  tenantBytes: { perSecond: 128 * 1024, burst: 8 * 1024 ** 2 },
};

export interface RejectionKeeperOptions {
  readonly publisher: Pick<Publisher, "publish">;
  readonly rates?: KeepRates;
  /** How long counts are gathered, ms: senders beyond the sample wait so long for their answer. */
  readonly gatherMs?: number;
  /** Told how many were counted without being kept. */
  readonly onSampledOut?: (count: number) => void;
}

/** Beyond so many the bucket that was used longest ago is forgotten, and is full when it comes back. */
const MAX_BUCKETS = 20_000;
/** Counts are sent at once when they have so many entries, or so many senders wait for them. */
const MAX_ENTRIES = 500;
const MAX_WAITING = 5_000;

interface Bucket {
  tokens: number;
  at: number;
}

interface Gathered {
  readonly entries: Map<string, { -readonly [K in keyof RejectionCount]: RejectionCount[K] }>;
  waiting: Published[];
}

export function createRejectionKeeper(options: RejectionKeeperOptions): RejectionKeeper {
  const { publisher, rates = KEEP_RATES, gatherMs = 250, onSampledOut } = options;
  const devices = new BoundedMap<string, Bucket>(MAX_BUCKETS);
  const tenants = new BoundedMap<string, Bucket>(MAX_BUCKETS);
  const bytes = new BoundedMap<string, Bucket>(MAX_BUCKETS);
  const gathered = new Map<string, Gathered>();
  let timer: NodeJS.Timeout | undefined;

  /** All three or none: what one bucket refuses is not taken from the others. */
  function fitsSample(tenantId: string, deviceId: string, size: number): boolean {
    const now = performance.now();
    const ofDevice = refilled(devices, `${tenantId}/${deviceId}`, rates.device, now);
    const ofTenant = refilled(tenants, tenantId, rates.tenant, now);
    const ofBytes = refilled(bytes, tenantId, rates.tenantBytes, now);
    if (ofDevice.tokens < 1 || ofTenant.tokens < 1 || ofBytes.tokens < size) return false;
    ofDevice.tokens -= 1;
    ofTenant.tokens -= 1;
    ofBytes.tokens -= size;
    return true;
  }

  function count(tenantId: string, deviceId: string, door: Door, code: ErrorCode, done: Published): void {
    let ofTenant = gathered.get(tenantId);
    if (ofTenant === undefined) gathered.set(tenantId, (ofTenant = { entries: new Map(), waiting: [] }));
    const key = `${deviceId} ${door} ${code}`;
    const entry = ofTenant.entries.get(key);
    if (entry === undefined) ofTenant.entries.set(key, { deviceId, door, code, count: 1 });
    else entry.count += 1;
    ofTenant.waiting.push(done);
    if (ofTenant.waiting.length >= MAX_WAITING || ofTenant.entries.size >= MAX_ENTRIES) send(tenantId, ofTenant);
    else timer ??= setTimeout(sendAll, gatherMs);
  }

  function sendAll(): void {
    clearTimeout(timer);
    timer = undefined;
    for (const [tenantId, ofTenant] of gathered) send(tenantId, ofTenant);
  }

  function send(tenantId: string, { entries, waiting }: Gathered): void {
    gathered.delete(tenantId);
    const body: RejectionCounts = { at: Date.now(), counts: [...entries.values()] };
    onSampledOut?.(waiting.length);
    publisher.publish(subjects.rejectionCounts(tenantId), Buffer.from(JSON.stringify(body)), (error) => {
      for (const done of waiting) done(error);
    });
  }

  return {
    keep(tenantId, deviceId, refused, done) {
      if (fitsSample(tenantId, deviceId, keptBytesOf(refused))) {
        publisher.publish(subjects.rejection(tenantId, deviceId), encodeRejection(refused), done);
      } else {
        count(tenantId, deviceId, refused.door, refused.why.code, done);
      }
    },
    stop() {
      sendAll();
      return Promise.resolve();
    },
  };
}

function refilled(
  buckets: BoundedMap<string, Bucket>,
  key: string,
  { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
  now: number,
): Bucket {
  const bucket = buckets.get(key);
  if (bucket === undefined) {
    const full = { tokens: burst, at: now };
    buckets.set(key, full);
    return full;
  }
  bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1_000) * perSecond);
  bucket.at = now;
  return bucket;
}
