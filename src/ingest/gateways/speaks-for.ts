/** Who may speak for a device: itself, or the device that a person has made its gateway. */
import { login, maySpeak } from "../registry/device-access.js";
import type { DeviceAccess, Login } from "../registry/device-access.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry/registry.js";

/** Whether `child` is assigned to `gateway`. Tenants are walls: ids are compared within one only. */
export function speaksFor(gateway: DeviceAccess, child: DeviceAccess): boolean {
  return child.gateway !== undefined && child.tenantId === gateway.tenantId && child.gateway === gateway.deviceId;
}

/** Why the gateway may not speak for the device named; `undefined` when it may. Says the same of an unknown device and of another's. */
export function gatewayRefusal(
  gateway: DeviceAccess,
  child: DeviceAccess | undefined,
  name: string,
): Refusal | undefined {
  if (child === undefined || !speaksFor(gateway, child)) {
    return refusal(
      "FORBIDDEN",
      `${quotedName(name)} is no device that ${gateway.deviceId} speaks for: register it and assign it to this gateway`,
    );
  }
  if (maySpeak(child)) return undefined;
  return refusal(
    "FORBIDDEN",
    `device ${child.deviceId} is ${child.status}: its gateway may speak for it while it is ACTIVE or in MAINTENANCE`,
  );
}

/**
 * For doors without connections: the key is the device's own or its gateway's. Rejects when the registry does not answer.
 * What a wrong key is told does not depend on whether there is a gateway.
 */
export async function loginForDevice(
  registry: Pick<Registry, "find">,
  tenant: string,
  device: string,
  key: string,
  now: number,
): Promise<Login> {
  const access = await registry.find(tenant, device);
  const own = login(access, key, now);
  if (own.ok || own.reason !== "wrong-key" || access?.gateway === undefined) return own;
  const gateway = await registry.find(tenant, access.gateway);
  const theirs = login(gateway, key, now);
  if (!theirs.ok) return theirs.reason === "unknown-device" || theirs.reason === "wrong-key" ? own : theirs;
  const refused = gatewayRefusal(theirs.access, access, device);
  if (refused !== undefined) return { ok: false, reason: "not-active", code: "FORBIDDEN", message: refused.message };
  return { ok: true, access, credentialId: theirs.credentialId };
}

export function quotedName(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}
