import type { DeviceTypeEvent } from "../../domain/device-type/index.js";
import type { Recorded } from "../../events/index.js";
import type { Projection } from "../projection.js";
import type { DeviceTypeDocument } from "./document.js";

export function evolveDeviceType(
  document: DeviceTypeDocument | undefined,
  event: Recorded<DeviceTypeEvent>,
): DeviceTypeDocument {
  const { occurredAt } = event.metadata;
  switch (event.type) {
    case "DeviceTypeDefined":
      return {
        ...event.data,
        _id: `${event.data.tenantId}/${event.data.deviceType}`,
        revision: event.revision,
        createdAt: document?.createdAt ?? occurredAt,
        updatedAt: occurredAt,
      };
  }
}

export const deviceTypeProjection: Projection = {
  name: "device_types",
  entity: "device-type",
  category: "deviceType",
  indexes: [{ key: { tenantId: 1, deviceType: 1, _id: 1 }, name: "by_type" }],
  documentId: (event) => event.streamId.slice("deviceType-".length).replace(".", "/"),
  evolve: (document, event) =>
    evolveDeviceType(document as DeviceTypeDocument | undefined, event as Recorded<DeviceTypeEvent>),
};
