import type { Generations } from "../generations.js";
import type { Page, PageRequest } from "../page.js";
import { findPage } from "../page.js";
import type { DeviceTypeDocument } from "./document.js";

export interface DeviceTypeQueries {
  find(tenantId: string, deviceType: string): Promise<DeviceTypeDocument | undefined>;
  page(tenantId: string, page: PageRequest): Promise<Page<DeviceTypeDocument>>;
  count(tenantId: string): Promise<number>;
}

export function createDeviceTypeQueries(generations: Generations): DeviceTypeQueries {
  const collection = () => generations.current<DeviceTypeDocument>("device_types");
  return {
    async find(tenantId, deviceType) {
      return (await (await collection()).findOne({ _id: `${tenantId}/${deviceType}` })) ?? undefined;
    },
    async page(tenantId, page) {
      return findPage(await collection(), filterOf(tenantId), page);
    },
    async count(tenantId) {
      return (await collection()).countDocuments(filterOf(tenantId));
    },
  };
}

function filterOf(tenantId: string): { readonly tenantId: DeviceTypeDocument["tenantId"] } {
  return { tenantId } as { readonly tenantId: DeviceTypeDocument["tenantId"] };
}
