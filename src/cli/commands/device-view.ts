import type { Output } from "../output.js";
import type { DeviceRow } from "./device-queries.js";

export function showDevices(out: Output, devices: readonly DeviceRow[]): void {
  out.table<DeviceRow>(
    [
      { title: "DEVICE", of: (device) => device.deviceId },
      { title: "TYPE", of: (device) => device.deviceType },
      { title: "NAME", of: (device) => device.name },
      { title: "STATUS", of: (device) => device.status },
      { title: "ONLINE", of: (device) => (device.connectivity.online ? "yes" : "no") },
      { title: "LAST SEEN", of: (device) => device.lastSeen },
      { title: "SITE", of: (device) => device.location?.site },
    ],
    devices,
  );
}

export function showDevice(out: Output, device: DeviceRow): void {
  const { connectivity, configuration, location } = device;
  const { desired, reported, status } = configuration;
  out.fields({
    device: device.deviceId,
    type: device.deviceType,
    name: device.name,
    description: device.description,
    manufacturer: device.manufacturer,
    model: device.model,
    firmware: device.firmwareVersion,
    status: device.status,
    site: location?.site,
    coordinates: coordinatesOf(location),
    metadata: device.metadata,
    gateway: device.gatewayId,
    calibration: calibrationOf(device.calibration),
    online: `${connectivity.online ? "yes" : "no"}${connectivity.since === null ? "" : ` since ${connectivity.since}`}${connectivity.reason === null ? "" : ` (${connectivity.reason})`}`,
    "last seen": device.lastSeen,
    configuration:
      desired.version === 0 ? "none" : `version ${desired.version}, ${status}: ${JSON.stringify(desired.config)}`,
    reported:
      reported === null
        ? null
        : `version ${reported.version}, ${reported.status}${reported.error === null ? "" : `: ${reported.error}`}`,
    "as of": device.asOf,
    created: device.createdAt,
    updated: device.updatedAt,
    revision: device.revision,
  });
}

function calibrationOf(calibration: DeviceRow["calibration"]): string | null {
  if (calibration.length === 0) return null;
  return calibration.map(({ metric, offset, scale }) => `${metric}: ${scale} × value + ${offset}`).join("; ");
}

function coordinatesOf(location: DeviceRow["location"]): string | null {
  if (location === null || location.latitude === null) return null;
  return `${location.latitude}, ${location.longitude ?? "?"}`;
}
