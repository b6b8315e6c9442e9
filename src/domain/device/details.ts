import { DomainError } from "../error.js";
import { checkJson, sameJson } from "../json.js";
import { checkLength } from "../text.js";
import type { DeviceDetails, Location } from "./events.js";

/** The longest of each text field: the columns of the registry that operators know from other platforms. */
const MAX_LENGTH = { name: 255, description: 4096, manufacturer: 100, model: 100, firmwareVersion: 50 } as const;

export function checkDetails(details: DeviceDetails): void {
  for (const [field, most] of Object.entries(MAX_LENGTH)) {
    checkLength(field, details[field as keyof typeof MAX_LENGTH], most);
  }
  if (details.location !== undefined) checkLocation(details.location);
  if (details.metadata !== undefined) checkJson("metadata", details.metadata);
}

function checkLocation({ site, latitude, longitude }: Location): void {
  if (site !== undefined && (site.length === 0 || site.length > 64 || /[\p{Cc}]/u.test(site))) {
    throw new DomainError("INVALID_VALUE", "location.site has 1 to 64 characters, none of them a control character");
  }
  if (latitude !== undefined && !(Math.abs(latitude) <= 90)) {
    throw new DomainError("INVALID_VALUE", `location.latitude ${latitude} is not between -90 and 90 degrees`);
  }
  if (longitude !== undefined && !(Math.abs(longitude) <= 180)) {
    throw new DomainError("INVALID_VALUE", `location.longitude ${longitude} is not between -180 and 180 degrees`);
  }
}

/** The fields of `wanted` that differ from `current`. */
export function changedDetails(current: DeviceDetails, wanted: DeviceDetails): DeviceDetails {
  const changed = Object.entries(wanted).filter(
    ([field, value]) => value !== undefined && !sameJson(value, current[field as keyof DeviceDetails]),
  );
  return Object.fromEntries(changed) as DeviceDetails;
}
