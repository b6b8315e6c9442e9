/** Which codec reads a payload. */
import type { DeviceAccess } from "../device-access.js";
import type { Measurement } from "../measurement.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Format } from "./format.js";
import { decodeJson } from "./json.js";

/**
 * The reading sets of a payload, or why it cannot be read. `format` is what the message itself says of its form (content
 * type or topic); without a word, the device type's codec is meant, and JSON where the type names none.
 */
export function decodeTelemetry(
  access: DeviceAccess,
  payload: Buffer,
  format: Format | undefined,
): readonly Measurement[] | Refusal {
  const chosen = format ?? access.type.codec?.format ?? "json";
  switch (chosen) {
    case "json":
      return decodeJson(payload);
    case "thingsboard":
    case "cbor":
    case "senml+json":
    case "senml+cbor":
    case "protobuf":
    case "sparkplug":
      return refusal("MALFORMED_PAYLOAD", `payloads in ${chosen} cannot be read yet: send JSON`);
  }
}
