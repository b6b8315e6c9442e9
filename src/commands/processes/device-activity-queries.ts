import type { Db } from "mongodb";

/** When a device was last heard: written in bulk every few seconds, never an event. `_id` is `{tenant}/{device}`. */
export interface ActivityDocument {
  readonly _id: string;
  readonly tenantId: string;
  readonly deviceId: string;
  /** Ms since the epoch, by the gateway's clock. */
  readonly lastSeenAt: number;
}

export const ACTIVITY = "device_activity";

export interface DeviceActivityQueries {
  /** In the order asked, undefined for one that was never heard: a dataloader's batch. May be some seconds old. */
  lastSeen(tenantId: string, deviceIds: readonly string[]): Promise<readonly (Date | undefined)[]>;
}

export function createDeviceActivityQueries(db: Db): DeviceActivityQueries {
  const collection = db.collection<ActivityDocument>(ACTIVITY);
  return {
    async lastSeen(tenantId, deviceIds) {
      const ids = deviceIds.map((deviceId) => `${tenantId}/${deviceId}`);
      const found = await collection.find({ _id: { $in: ids } }).toArray();
      const byId = new Map(found.map(({ _id, lastSeenAt }) => [_id, new Date(lastSeenAt)]));
      return ids.map((id) => byId.get(id));
    },
  };
}
