/** Which codec reads a payload. All of them are pure but for the time that relative times are relative to, bounded, and never throw. */
import type { DeviceAccess } from "../registry/device-access.js";
import type { Measurement } from "../measurement.js";
import type { Refusal } from "../pipeline/refusal.js";
import { decodeCbor } from "./cbor.js";
import type { Format } from "./format.js";
import { decodeJson } from "./json.js";
import { decodeProtobuf } from "./protobuf.js";
import { decodeSenmlCbor, decodeSenmlJson } from "./senml.js";
import { decodeSparkplug } from "./sparkplug.js";
import { decodeThingsBoard } from "./thingsboard.js";

/**
 * The reading sets of a payload, or why it cannot be read. `format` is what the message itself says of its form (content
 * type or topic); without a word, the device type's codec is meant, and JSON where the type names none.
 */
export function decodeTelemetry(
  access: DeviceAccess,
  payload: Buffer,
  format: Format | undefined,
  now: number = Date.now(),
): readonly Measurement[] | Refusal {
  const chosen = format ?? access.type.codec?.format ?? "json";
  switch (chosen) {
    case "json":
      return decodeJson(payload);
    case "thingsboard":
      return decodeThingsBoard(payload);
    case "cbor":
      return decodeCbor(payload);
    case "senml+json":
      return decodeSenmlJson(payload, now);
    case "senml+cbor":
      return decodeSenmlCbor(payload, now);
    case "protobuf":
      return decodeProtobuf(payload, access.type.codec?.protobuf);
    case "sparkplug":
      return decodeSparkplug(payload);
  }
}
