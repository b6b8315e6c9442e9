/** Devices that can log in, written straight into the event store as commands would have left them: a hundred thousand through GraphQL would take minutes. */
import { createHash } from "node:crypto";
import type { EventStoreDBClient } from "@eventstore/db-client";
import type { DeviceEvent } from "../../src/domain/device/index.js";
import { credentialId, deviceId, deviceTypeId, tenantId } from "../../src/domain/ids.js";
import { encodeEvent, schemaVersionOf, streamName } from "../../src/events/index.js";
import { newId } from "../../src/platform/ids.js";
import { DEVICE_TYPE } from "./enrol.js";
import { deviceName } from "./history.js";
import type { LoadedDevice } from "./mqtt-loader.js";
import { timed } from "./work.js";

/** Appends under way at once. */
const HANDS = 128;
const KEY = "a-key-of-the-bench-that-opens-nothing-else";
const HASH = createHash("sha256").update(KEY).digest("hex");

/** The devices numbered `from` to `to` - 1, active, and with a key each; gives the commit position of the last one. */
export async function appendKnownDevices(
  client: EventStoreDBClient,
  tenant: string,
  from: number,
  to: number,
): Promise<bigint> {
  let last = 0n;
  await timed(to - from, HANDS, async (n) => {
    const device = deviceName(from + n);
    const { position } = await client.appendToStream(
      streamName("device", tenant, device),
      eventsOf(tenant, device).map((event) => encodeEvent(newId(), event, metadataOf(tenant, event))),
    );
    if (position !== undefined && position.commit > last) last = position.commit;
  });
  return last;
}

/** As the load logs in with them. */
export function knownDevices(tenant: string, count: number): readonly LoadedDevice[] {
  return Array.from({ length: count }, (_, n) => ({ tenant, device: deviceName(n), key: KEY }));
}

function eventsOf(tenant: string, device: string): readonly DeviceEvent[] {
  return [
    {
      type: "DeviceRegistered",
      data: { tenantId: tenantId(tenant), deviceId: deviceId(device), deviceType: deviceTypeId(DEVICE_TYPE) },
    },
    { type: "DeviceActivated", data: {} },
    {
      type: "CredentialIssued",
      data: { credentialId: credentialId(newId()), credentialType: "API_KEY", hash: HASH },
    },
  ];
}

function metadataOf(tenant: string, { type }: DeviceEvent): Parameters<typeof encodeEvent>[2] {
  const id = newId();
  return {
    schemaVersion: schemaVersionOf(type),
    tenantId: tenant,
    actor: "system:bench",
    commandId: id,
    correlationId: id,
    causationId: id,
    occurredAt: new Date().toISOString(),
  };
}
