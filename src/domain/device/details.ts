import { DomainError } from "../error.js";
import { checkJson, sameJson } from "../json.js";
import { checkLength } from "../text.js";
import type { DetailChanges, DeviceDetails, Location } from "./events.js";

/** The longest of each text field: the columns of the registry that operators know from other platforms. */
const MAX_LENGTH = { name: 255, description: 4096, manufacturer: 100, model: 100, firmwareVersion: 50 } as const;

export function checkDetails({ location, metadata, ...texts }: DetailChanges): void {
  for (const [field, most] of Object.entries(MAX_LENGTH)) {
    checkLength(field, texts[field as keyof typeof MAX_LENGTH] ?? undefined, most);
  }
  if (location !== undefined && location !== null) checkLocation(location);
  if (metadata !== undefined && metadata !== null) checkJson("metadata", metadata);
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

/** The fields of `wanted` that differ from `current`; one that is not there cannot be taken away. */
export function changedDetails(current: DeviceDetails, wanted: DetailChanges): DetailChanges {
  const changed = Object.entries(wanted).filter(([field, value]) => {
    const stands = current[field as keyof DeviceDetails];
    return value !== undefined && !sameJson(value, stands ?? null);
  });
  return Object.fromEntries(changed) as DetailChanges;
}

/** What is said of the device after the changes. */
export function withChanges<D extends DeviceDetails>(current: D, changes: DetailChanges): D {
  const after = Object.entries({ ...current, ...changes }).filter(
    ([field]) => changes[field as keyof DeviceDetails] !== null,
  );
  return Object.fromEntries(after) as unknown as D;
}
