import type { Db } from "mongodb";
import { MongoServerError } from "mongodb";
import type { JsonObject } from "../../domain/json.js";

/** A device's last word about itself. */
export interface DeviceHealth {
  readonly at: Date;
  /** Percent. */
  readonly battery?: number;
  /** dBm. */
  readonly rssi?: number;
  /** Seconds. */
  readonly uptime?: number;
  readonly firmwareVersion?: string;
  /** Bytes. */
  readonly freeMemory?: number;
  readonly errors?: readonly string[];
  /** Whatever else it said. */
  readonly other?: JsonObject;
}

type HealthDocument = Omit<DeviceHealth, "at" | "other"> & {
  /** `{tenant}/{device}` */
  readonly _id: string;
  readonly tenantId: string;
  readonly deviceId: string;
  /** Ms since the epoch, when JetStream took it. */
  readonly at: number;
  /** JSON text: a device names its fields as it likes, and not every name can be a document's field. */
  readonly other?: string;
};

const COLLECTION = "device_health";
const DUPLICATE_KEY = 11_000;

export interface DeviceHealthQueries {
  find(tenantId: string, deviceId: string): Promise<DeviceHealth | undefined>;
}

export function createDeviceHealthQueries(db: Db): DeviceHealthQueries {
  const collection = db.collection<HealthDocument>(COLLECTION);
  return {
    async find(tenantId, deviceId) {
      const found = await collection.findOne({ _id: `${tenantId}/${deviceId}` });
      if (found === null) return undefined;
      const { _id, tenantId: _tenant, deviceId: _device, at, other, ...known } = found;
      const health = { ...known, at: new Date(at) };
      return other === undefined ? health : { ...health, other: JSON.parse(other) as JsonObject };
    },
  };
}

export interface DeviceHealthStore {
  /** Keeps the newest: an older report that comes late changes nothing. `report` was checked at the door. */
  save(tenantId: string, deviceId: string, at: number, report: JsonObject): Promise<void>;
}

const KNOWN: ReadonlySet<string> = new Set(["battery", "rssi", "uptime", "firmwareVersion", "freeMemory", "errors"]);

export function createDeviceHealthStore(db: Db): DeviceHealthStore {
  const collection = db.collection<HealthDocument>(COLLECTION);
  return {
    async save(tenantId, deviceId, at, report) {
      const entries = Object.entries(report);
      const known = Object.fromEntries(entries.filter(([name]) => KNOWN.has(name)));
      const others = entries.filter(([name]) => !KNOWN.has(name));
      const other = others.length === 0 ? {} : { other: JSON.stringify(Object.fromEntries(others)) };
      const replacement = { ...known, ...other, tenantId, deviceId, at };
      try {
        await collection.replaceOne({ _id: `${tenantId}/${deviceId}`, at: { $lte: at } }, replacement, {
          upsert: true,
        });
      } catch (error) {
        // There is a newer one: the filter missed it, and the upsert met it.
        if (!(error instanceof MongoServerError && error.code === DUPLICATE_KEY)) throw error;
      }
    },
  };
}
