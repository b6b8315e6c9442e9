/** For doors whose every request brings its key (HTTP, CoAP): the log-in, counted, and without anything that throws. */
import { messageOf } from "../../platform/errors.js";
import type { Logger } from "../../platform/logger.js";
import type { Door, IngestCounters } from "../counters.js";
import { login, maySpeak, stillWelcome } from "./device-access.js";
import type { DeviceAccess, Login } from "./device-access.js";
import { loginForDevice, speaksFor } from "../gateways/speaks-for.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Registry } from "./registry.js";

export interface KeyLoginDeps {
  readonly registry: Registry;
  readonly counters: IngestCounters;
  readonly logger: Logger;
  readonly door: Door;
}

export interface Caller {
  /** The device that is spoken for. */
  readonly access: DeviceAccess;
  /** Its own, or its gateway's. */
  readonly credentialId: string;
}

/** Never rejects. UNAVAILABLE: the registry does not answer, and nothing can be said of the device. */
export async function loginWithKey(
  deps: KeyLoginDeps,
  tenant: string,
  device: string,
  key: string,
): Promise<Caller | Refusal> {
  return admit(deps, () => loginForDevice(deps.registry, tenant, device, key, Date.now()));
}

/** The same for who says nothing but the key, as ThingsBoard's devices do. */
export async function loginWithToken(deps: KeyLoginDeps, token: string): Promise<Caller | Refusal> {
  return admit(deps, async () => login(await deps.registry.findByKey(token), token, Date.now()));
}

async function admit(
  { counters, logger, door }: KeyLoginDeps,
  attempt: () => Promise<Login>,
): Promise<Caller | Refusal> {
  try {
    const outcome = await attempt();
    if (outcome.ok) return { access: outcome.access, credentialId: outcome.credentialId };
    counters.loginRefused(door, outcome.reason);
    return refusal(outcome.code, outcome.message);
  } catch (error) {
    logger.debug({ error: messageOf(error), door }, "a device's request came while the registry was away");
    return refusal("UNAVAILABLE", "the registry does not answer: try again");
  }
}

/** Whether a credential that has opened the door to `access` still does: the device's own, or its gateway's. */
export function stillOpens(registry: Registry, access: DeviceAccess, credentialId: string, now: number): boolean {
  if (stillWelcome(access, credentialId, now)) return true;
  if (access.gateway === undefined) return false;
  const gateway = registry.peek(access.tenantId, access.gateway);
  return (
    gateway !== undefined && speaksFor(gateway, access) && stillWelcome(gateway, credentialId, now) && maySpeak(access)
  );
}
