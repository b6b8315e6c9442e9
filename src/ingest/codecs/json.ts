/** The forms of the contract in JSON. */
import type { Measurement } from "../measurement.js";
import { parseJson } from "../pipeline/parse-json.js";
import type { Refusal } from "../pipeline/refusal.js";
import { readSets } from "./reading-sets.js";

export function decodeJson(payload: Buffer): readonly Measurement[] | Refusal {
  const parsed = parseJson(payload);
  return parsed.ok ? readSets(parsed.value) : parsed.refusal;
}
