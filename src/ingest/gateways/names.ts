/** Which of a gateway's devices a name means, for dialects that know devices by names. Only "none" is remembered here; who asks keeps what was found. */
import { BoundedMap } from "../../platform/bounded-map.js";
import { Limiter } from "../../platform/limiter.js";
import type { DeviceDocument } from "../../projections/index.js";
import type { DeviceAccess } from "../device-access.js";

export interface NamesOptions {
  /** The gateway's only device of this name. */
  readonly findByName: (tenant: string, gateway: string, name: string) => Promise<DeviceDocument | undefined>;
  /** Takes in a document that may be newer than what is cached. */
  readonly take: (document: DeviceDocument) => Promise<DeviceAccess | undefined>;
  /** How long "there is none" is believed. */
  readonly absentForMs: number;
}

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
