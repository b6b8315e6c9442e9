/** Which of a gateway's devices a name means, for dialects that know devices by names. Only "none" is remembered here; who asks keeps what was found. */
import { BoundedMap } from "../../platform/bounded-map.js";
import { Limiter } from "../../platform/limiter.js";
import type { DeviceDocument } from "../../projections/index.js";
import type { DeviceAccess } from "../registry/device-access.js";

export interface NamesOptions {
  /** The gateway's only device of this name. */
  readonly findByName: (tenant: string, gateway: string, name: string) => Promise<DeviceDocument | undefined>;
  /** Takes in a document that may be newer than what is cached. */
  readonly take: (document: DeviceDocument) => Promise<DeviceAccess | undefined>;
  /** How long "there is none" is believed. */
  readonly absentForMs: number;
}

export interface DevicesOfOptions {
  /** At most `MAX_CHILDREN` devices of the gateway. */
  readonly findOf: ((tenant: string, gateway: string, limit: number) => Promise<readonly DeviceDocument[]>) | undefined;
  readonly take: (document: DeviceDocument) => Promise<DeviceAccess | undefined>;
}

/** That one connection may speak for; beyond it, others' messages are refused with the limit's name. */
export const MAX_CHILDREN = 10_000;
/** Their documents are in memory at one time: a few at once, while others wait. */
const MAX_LISTS = 2;
const MAX_LISTS_WAITING = 256;

/** The devices that a gateway speaks for, all of them cached afterwards, so that their changes are heard of. */
export function createDevicesOf({ findOf, take }: DevicesOfOptions): DevicesOf {
  const limiter = new Limiter(MAX_LISTS, MAX_LISTS_WAITING);
  return async (tenant, gateway) => {
    if (findOf === undefined) return [];
    const taken = await limiter.run(async () => Promise.all((await findOf(tenant, gateway, MAX_CHILDREN)).map(take)));
    return taken.filter((access) => access !== undefined);
  };
}

export type DevicesOf = (tenant: string, gateway: string) => Promise<readonly DeviceAccess[]>;

export type FindNamed = (tenant: string, gateway: string, name: string) => Promise<DeviceAccess | undefined>;

const MAX_ABSENT = 10_000;
/** Look-ups that may trouble the document store at once, and that may wait: a gateway that names thousands of unknown devices slows its own kind only. */
const MAX_LOOKUPS = 32;
const MAX_WAITING = 2_000;
/** Of `DeviceDetails.name`; longer ones are nobody's. */
const MAX_NAME_LENGTH = 200;

export function createFindNamed({ findByName, take, absentForMs }: NamesOptions): FindNamed {
  const absent = new BoundedMap<string, number>(MAX_ABSENT);
  const limiter = new Limiter(MAX_LOOKUPS, MAX_WAITING);
  return async (tenant, gateway, name) => {
    if (name.length > MAX_NAME_LENGTH) return undefined;
    const key = `${tenant}/${gateway}/${name}`;
    if ((absent.peek(key) ?? 0) > Date.now()) return undefined;
    const document = await limiter.run(() => findByName(tenant, gateway, name));
    const access = document === undefined ? undefined : await take(document);
    if (access === undefined) absent.set(key, Date.now() + absentForMs);
    return access;
  };
}
