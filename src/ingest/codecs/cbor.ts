/** The forms of JSON in CBOR (RFC 8949): a reading set, an array of them, or the short form. */
import type { Measurement } from "../measurement.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { readCbor } from "./cbor-data.js";
import { readSets } from "./reading-sets.js";

export function decodeCbor(payload: Uint8Array): readonly Measurement[] | Refusal {
  const read = readCbor(payload);
  return read.ok ? readSets(read.value) : refusal("MALFORMED_PAYLOAD", read.reason);
}
