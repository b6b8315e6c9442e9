/** Foreign payloads as measurements. */
import type { Measurement } from "../measurement.js";
import { parseJson } from "../pipeline/parse-json.js";
import { quoted, refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { BridgeRule } from "./mapping.js";

type Scalar = string | number | boolean;

/** One bare value: `21.5`, `true`, `"open"`, or text that is no JSON at all: `open`. */
export function decodeValue(payload: Buffer, metric: string): readonly Measurement[] | Refusal {
  const text = payload.toString("utf8").trim();
  if (text === "") return refusal("MALFORMED_PAYLOAD", "the payload is empty: send a value");
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // Text as it stands.
  }
  if (!isScalar(value)) return refusal("MALFORMED_PAYLOAD", `expected one bare value, got ${quoted(value)}`);
  return [{ values: { [metric]: value }, path: "", valuesPath: "" }];
}

/** What the rule picks out of a JSON object. */
export function decodePicked(payload: Buffer, rule: BridgeRule): readonly Measurement[] | Refusal {
  const parsed = parseJson(payload);
  if (!parsed.ok) return parsed.refusal;
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refusal("MALFORMED_PAYLOAD", `expected a JSON object, got ${quoted(value)}`);
  }
  const values = rule.metrics === undefined ? topLevel(value, rule) : picked(value, rule.metrics);
  const timestamp = rule.timestamp === undefined ? undefined : timeOf(at(value, rule.timestamp), rule.timestampUnit);
  return [{ ...(timestamp === undefined ? {} : { timestamp }), values, path: "", valuesPath: "" }];
}

function picked(from: object, metrics: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> {
  const entries = Object.entries(metrics).map(([metric, path]) => [metric, at(from, path)] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== null));
}

function topLevel(from: object, { rename, timestamp }: BridgeRule): Readonly<Record<string, unknown>> {
  const entries = Object.entries(from).filter(([name, value]) => name !== timestamp && isScalar(value));
  const renamed = entries.map(([name, value]) => [
    rename !== undefined && Object.hasOwn(rename, name) ? rename[name] : name,
    value as Scalar,
  ]);
  return Object.fromEntries(renamed) as Readonly<Record<string, unknown>>;
}

function at(from: unknown, path: string): unknown {
  let value = from;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/** In ms where it can be made out; else as it stands, for the pipeline to refuse by its name. */
function timeOf(value: unknown, unit: BridgeRule["timestampUnit"]): unknown {
  if (value === null) return undefined;
  if (unit === "s" && typeof value === "number") return Math.round(value * 1_000);
  if (unit === "iso" && typeof value === "string") {
    const ms = Date.parse(value);
    return Number.isNaN(ms) ? value : ms;
  }
  return value;
}

function isScalar(value: unknown): value is Scalar {
  return ["number", "string", "boolean"].includes(typeof value);
}
