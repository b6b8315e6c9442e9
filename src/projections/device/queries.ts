import DataLoader from "dataloader";
import type { Filter } from "mongodb";
import type { DeviceStatus } from "../../domain/device/index.js";
import type { Generations } from "../generations.js";
import type { Page, PageRequest } from "../page.js";
import { findPage } from "../page.js";
import type { DeviceDocument } from "./document.js";
import { deviceDocumentId } from "./projection.js";

/** Entries match every field given. */
export interface DeviceQuery {
  readonly deviceType?: string;
  readonly statuses?: readonly DeviceStatus[];
  readonly online?: boolean;
  readonly site?: string;
  /** Those that this device may speak for. */
  readonly gateway?: string;
  /** Device ids that begin so. */
  readonly idPrefix?: string;
}

export interface DeviceQueries {
  find(tenantId: string, deviceId: string): Promise<DeviceDocument | undefined>;
  /** In the order asked, undefined where there is none: a dataloader's batch. */
  findMany(tenantId: string, deviceIds: readonly string[]): Promise<readonly (DeviceDocument | undefined)[]>;
  /**
   * The device that was issued the key of this hash (SHA-256, hex), whatever its tenant and whether or not the key still opens: log-ins
   * by key alone begin here. Safe across tenants because keys are 256 random bits of ours: whoever has one was given it for
   * that device, and a hash that two devices had would be nobody's — undefined, as one that none has.
   */
  findByKey(hash: string): Promise<DeviceDocument | undefined>;
  /** The device of this name among those that the gateway may speak for; undefined, too, where two are called so. */
  findNamed(tenantId: string, gateway: string, name: string): Promise<DeviceDocument | undefined>;
  /** The devices that the gateway may speak for, in the order of their ids. */
  behind(tenantId: string, gateway: string, limit: number): Promise<readonly DeviceDocument[]>;
  page(tenantId: string, query: DeviceQuery, page: PageRequest): Promise<Page<DeviceDocument>>;
  count(tenantId: string, query: DeviceQuery): Promise<number>;
  /** Devices of all tenants that are shown as online, for the sweep that looks for silent ones; a slice of at most `limit` after `afterId`. */
  online(afterId: string, limit: number): Promise<readonly DeviceDocument[]>;
}

export function createDeviceQueries(generations: Generations): DeviceQueries {
  const collection = () => generations.current<DeviceDocument>("devices");
  // Those who ask in the same moment share a query: a batch of changes that is shown wakes all who waited for it, and a
  // gateway's restart brings its whole fleet back at once. Nothing is remembered.
  const byId = new DataLoader<string, DeviceDocument | undefined>(
    async (ids) => {
      const found = await (await collection()).find({ _id: { $in: ids } }).toArray();
      const documents = new Map(found.map((document) => [document._id, document]));
      return ids.map((id) => documents.get(id));
    },
    { cache: false, maxBatchSize: 500 },
  );
  return {
    find: (tenantId, deviceId) => byId.load(deviceDocumentId(tenantId, deviceId)),
    findMany: (tenantId, deviceIds) =>
      Promise.all(deviceIds.map((deviceId) => byId.load(deviceDocumentId(tenantId, deviceId)))),
    async findByKey(hash) {
      const found = await (await collection()).find({ "credentials.hash": hash }, { limit: 2 }).toArray();
      return found.length === 1 ? found[0] : undefined;
    },
    async findNamed(tenantId, gateway, name) {
      const named = { tenantId, gateway, name } as Filter<DeviceDocument>;
      const found = await (await collection()).find(named, { limit: 2 }).toArray();
      return found.length === 1 ? found[0] : undefined;
    },
    async behind(tenantId, gateway, limit) {
      const those = { tenantId, gateway } as Filter<DeviceDocument>;
      return (await collection()).find(those, { sort: { deviceId: 1 }, limit }).toArray();
    },
    async page(tenantId, query, page) {
      return findPage(await collection(), filterOf(tenantId, query), page);
    },
    async count(tenantId, query) {
      return (await collection()).countDocuments(filterOf(tenantId, query));
    },
    async online(afterId, limit) {
      return (await collection())
        .find({ _id: { $gt: afterId }, "connectivity.online": true }, { sort: { _id: 1 }, limit })
        .toArray();
    },
  };
}

function filterOf(tenantId: string, query: DeviceQuery): Filter<DeviceDocument> & { readonly tenantId: string } {
  const { deviceType, statuses, online, site, gateway, idPrefix } = query;
  return {
    tenantId,
    ...(deviceType === undefined ? {} : { deviceType }),
    ...(statuses === undefined ? {} : { status: statuses.length === 1 ? statuses[0] : { $in: statuses } }),
    ...(online === undefined ? {} : { "connectivity.online": online }),
    ...(site === undefined ? {} : { "location.site": site }),
    ...(gateway === undefined ? {} : { gateway }),
    // A range, not a pattern: it uses the index, and there is nothing in it to escape.
    ...(idPrefix === undefined ? {} : { deviceId: { $gte: idPrefix, $lt: `${idPrefix}\uFFFF` } }),
  } as Filter<DeviceDocument> & { readonly tenantId: string };
}
