/**
 * Which device a key was issued to, for those who log in with their key alone (ThingsBoard's devices do). Only the way to the device is
 * remembered: what it may is asked of the registry each time, so a revocation needs no second cache to be told.
 *
 * Safe across tenants because a key is 256 random bits that we made: nobody chooses one, so nobody can ask for another's, and whoever
 * has it was given it for that device of that tenant.
 */
import { createHash } from "node:crypto";
import { BoundedMap } from "../../platform/bounded-map.js";
import { Limiter } from "../../platform/limiter.js";
import type { DeviceDocument } from "../../projections/index.js";
import type { DeviceAccess } from "./device-access.js";

export interface DevicesByKeyOptions {
  /** The device that holds the credential of this hash (SHA-256, hex). */
  readonly findByHash: (hash: string) => Promise<DeviceDocument | undefined>;
  readonly find: (tenant: string, device: string) => Promise<DeviceAccess | undefined>;
  /** Takes in a document that may be newer than what is cached. */
  readonly take: (document: DeviceDocument) => Promise<DeviceAccess | undefined>;
  readonly capacity: number;
  /** How long "nobody has this key" is believed. */
  readonly absentForMs: number;
}

const MAX_ABSENT = 10_000;
/** Look-ups of unknown keys that may trouble the document store at once, and that may wait: whoever tries keys at random gets LIMIT_EXCEEDED, and slows nobody else's look-up by id. */
const MAX_LOOKUPS = 32;
const MAX_WAITING = 1_000;

/** See `Registry.findByKey`. */
export function createDevicesByKey(
  options: DevicesByKeyOptions,
): (key: string | Buffer) => Promise<DeviceAccess | undefined> {
  const { findByHash, find, take, capacity, absentForMs } = options;
  const places = new BoundedMap<string, { readonly tenant: string; readonly device: string }>(capacity);
  const absent = new BoundedMap<string, number>(MAX_ABSENT);
  const loading = new Map<string, Promise<DeviceAccess | undefined>>();
  const limiter = new Limiter(MAX_LOOKUPS, MAX_WAITING);

  async function lookUp(hash: string): Promise<DeviceAccess | undefined> {
    const document = await findByHash(hash);
    const access = document === undefined ? undefined : await take(document);
    if (access === undefined || !holds(access, hash)) {
      absent.set(hash, Date.now() + absentForMs);
      return undefined;
    }
    places.set(hash, { tenant: access.tenantId, device: access.deviceId });
    return access;
  }

  return async (key) => {
    const hash = createHash("sha256").update(key).digest("hex");
    const place = places.get(hash);
    if (place !== undefined) {
      const access = await find(place.tenant, place.device);
      if (access !== undefined && holds(access, hash)) return access;
      // Its credential has been revoked for so long that it is no longer shown.
      places.delete(hash);
    }
    const absentUntil = absent.peek(hash);
    if (absentUntil !== undefined && absentUntil > Date.now()) return undefined;
    const underway = loading.get(hash);
    if (underway !== undefined) return underway;
    const started = limiter.run(() => lookUp(hash)).finally(() => loading.delete(hash));
    loading.set(hash, started);
    return started;
  };
}

function holds(access: DeviceAccess, hash: string): boolean {
  return access.credentials.some((credential) => credential.hash === hash);
}
