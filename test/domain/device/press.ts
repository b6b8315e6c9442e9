import type {
  DeviceCommand,
  DeviceDetails,
  DeviceEvent,
  DeviceRegistered,
  DeviceStatus,
} from "../../../src/domain/device/index.js";
import { credentialId, deviceId, deviceTypeId, tenantId } from "../../../src/domain/ids.js";
import type { CredentialId } from "../../../src/domain/ids.js";
import { NOW } from "../clock.js";

/** The device that every spec of the folder speaks of, and how its history and its commands are said. */
export const press = {
  tenantId: tenantId("acme"),
  deviceId: deviceId("press-1"),
  deviceType: deviceTypeId("press"),
} as const;

/** Devices that may speak for it. */
export const gateway = deviceId("gateway-1");
export const otherGateway = deviceId("gateway-2");

type DataOf<U extends { readonly type: string; readonly data: unknown }, T extends U["type"]> = Extract<
  U,
  { readonly type: T }
>["data"];

export function command<T extends DeviceCommand["type"]>(type: T, data: DataOf<DeviceCommand, T>): DeviceCommand {
  return { type, at: NOW, data } as DeviceCommand;
}

export function event<T extends DeviceEvent["type"]>(type: T, data: DataOf<DeviceEvent, T>): DeviceEvent {
  return { type, data } as DeviceEvent;
}

export function registered(details: DeviceDetails = {}): DeviceRegistered {
  return { type: "DeviceRegistered", data: { ...press, ...details } };
}

/** The shortest history that leads to each status. */
export const historyTo: Readonly<Record<DeviceStatus | "UNREGISTERED", readonly DeviceEvent[]>> = {
  UNREGISTERED: [],
  REGISTERED: [registered()],
  ACTIVE: [registered(), event("DeviceActivated", {})],
  INACTIVE: [registered(), event("DeviceActivated", {}), event("DeviceDeactivated", {})],
  MAINTENANCE: [registered(), event("DeviceActivated", {}), event("MaintenanceStarted", {})],
  DECOMMISSIONED: [registered(), event("DeviceDecommissioned", {})],
};

/** The n-th of as many credential ids as a spec may want. */
export function credential(n: number): CredentialId {
  return credentialId(`00000000-0000-4000-8000-${String(n).padStart(12, "0")}`);
}

export function key(n: number, expiresAt?: string): DataOf<DeviceEvent, "CredentialIssued"> {
  const data = { credentialId: credential(n), credentialType: "API_KEY", hash: "a".repeat(64) } as const;
  return expiresAt === undefined ? data : { ...data, expiresAt };
}
