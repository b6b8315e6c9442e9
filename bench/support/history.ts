/** A history of devices written straight into the event store, as commands would have left it: quick, for benches of what reads it. */
import type { EventStoreDBClient } from "@eventstore/db-client";
import type { DeviceEvent } from "../../src/domain/device/index.js";
import { deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import { encodeEvent, schemaVersionOf, streamName } from "../../src/events/index.js";
import type { LogPosition } from "../../src/events/index.js";
import { newId } from "../../src/platform/ids.js";
import { DEVICE_TYPE } from "./enrol.js";
import { timed } from "./work.js";

export const SITES = 20;
/** Appends under way at once. */
const HANDS = 128;

export function deviceName(n: number): string {
  return `device-${String(n).padStart(7, "0")}`;
}

/** `eventsEach` events for each of `devices`, at least one; gives the position of the last of all. */
export async function appendDevices(
  client: EventStoreDBClient,
  tenant: string,
  devices: number,
  eventsEach: number,
): Promise<LogPosition> {
  let last: LogPosition = { commit: 0n, prepare: 0n };
  await timed(devices, HANDS, async (n) => {
    const { position } = await appendDevice(client, tenant, deviceName(n), n, eventsEach);
    if (position.commit > last.commit) last = position;
  });
  return last;
}

export async function appendDevice(
  client: EventStoreDBClient,
  tenant: string,
  device: string,
  n: number,
  eventsEach: number,
): Promise<{ readonly position: LogPosition }> {
  const at = new Date().toISOString();
  const events = Array.from({ length: eventsEach }, (_, index) => deviceEvent(tenant, device, n, index, at));
  const appended = await client.appendToStream(
    streamName("device", tenant, device),
    events.map((event) => {
      const id = newId();
      return encodeEvent(id, event, {
        schemaVersion: schemaVersionOf(event.type),
        tenantId: tenant,
        actor: "system:bench",
        commandId: id,
        correlationId: id,
        causationId: id,
        occurredAt: at,
      });
    }),
  );
  if (appended.position === undefined) throw new Error("the event store gave no position");
  return { position: appended.position };
}

function deviceEvent(tenant: string, device: string, n: number, index: number, at: string): DeviceEvent {
  if (index === 0) {
    return {
      type: "DeviceRegistered",
      data: {
        tenantId: tenantId(tenant),
        deviceId: deviceId(device),
        deviceType: deviceTypeId(DEVICE_TYPE),
        name: `Device ${n}`,
        manufacturer: "Bench",
        location: { site: `site-${n % SITES}` },
      },
    };
  }
  if (index === 1) return { type: "DeviceActivated", data: {} };
  return { type: "ConfigurationChanged", data: { version: index - 1, config: { interval: index, since: at } } };
}
