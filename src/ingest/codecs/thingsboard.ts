/**
 * ThingsBoard's telemetry (its MQTT and HTTP device APIs, "Telemetry upload API"; its "Gateway MQTT API"):
 * `{"key": value}`, `{"ts": ms, "values": {…}}`, and arrays that mix both. An object is of the second form only when it has
 * both keys; in the first, `ts` is a metric like others.
 */
import type { Measurement } from "../measurement.js";
import { parseJson } from "../pipeline/parse-json.js";
import { quoted, refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";

type JsonObject = Readonly<Record<string, unknown>>;

export function decodeThingsBoard(payload: Buffer): readonly Measurement[] | Refusal {
  const parsed = parseJson(payload);
  return parsed.ok ? readSets(parsed.value, "") : parsed.refusal;
}

/** The share of one device in a gateway's message. */
export interface Share<Content> {
  /** As the gateway calls the device. */
  readonly name: string;
  readonly content: Content;
}

/** Devices in one message of a gateway. */
const MAX_SHARES = 1_000;

/** `{"Device A": [{"ts": ms, "values": {…}}, …], …}`. A share that cannot be read is refused alone. */
export function decodeGatewayTelemetry(payload: Buffer): readonly Share<readonly Measurement[] | Refusal>[] | Refusal {
  const shares = decodeShares(payload);
  if ("code" in shares) return shares;
  return shares.map(({ name, content }) => ({ name, content: readSets(content, nameAsPath(name)) }));
}

/** `{"Device A": {"attribute": value, …}, …}` */
export function decodeGatewayAttributes(payload: Buffer): readonly Share<Decoded<JsonObject>>[] | Refusal {
  const shares = decodeShares(payload);
  if ("code" in shares) return shares;
  return shares.map(({ name, content }) => ({
    name,
    content: isObject(content)
      ? { ok: true, value: content }
      : {
          ok: false,
          refusal: refusal(
            "MALFORMED_PAYLOAD",
            `${nameAsPath(name)}: expected an object of attributes, got ${quoted(content)}`,
          ),
        },
  }));
}

/** What a device sends may be of the form of a refusal, so the two are kept apart. */
export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

/** A message that must be a JSON object. */
export function decodeObject(payload: Buffer): Decoded<JsonObject> {
  const parsed = parseJson(payload);
  if (!parsed.ok) return parsed;
  const { value } = parsed;
  if (isObject(value)) return { ok: true, value };
  return {
    ok: false,
    refusal: refusal("MALFORMED_PAYLOAD", `the payload: expected a JSON object, got ${quoted(value)}`),
  };
}

function decodeShares(payload: Buffer): readonly Share<unknown>[] | Refusal {
  const object = decodeObject(payload);
  if (!object.ok) return object.refusal;
  const entries = Object.entries(object.value);
  if (entries.length === 0) return refusal("MALFORMED_PAYLOAD", "the payload: names no device");
  if (entries.length > MAX_SHARES) {
    return refusal(
      "LIMIT_EXCEEDED",
      `a message speaks of at most ${MAX_SHARES} devices, not ${entries.length}: send several`,
    );
  }
  return entries.map(([name, content]) => ({ name, content }));
}

function readSets(value: unknown, path: string): readonly Measurement[] | Refusal {
  if (!Array.isArray(value)) {
    const measurement = readSet(value, path);
    return "code" in measurement ? measurement : [measurement];
  }
  const measurements: Measurement[] = [];
  for (const [index, item] of (value as readonly unknown[]).entries()) {
    const measurement = readSet(item, `${path === "" ? "readings" : path}[${index}]`);
    if ("code" in measurement) return measurement;
    measurements.push(measurement);
  }
  return measurements;
}

function readSet(item: unknown, path: string): Measurement | Refusal {
  if (!isObject(item)) {
    return refusal(
      "MALFORMED_PAYLOAD",
      `${path === "" ? "the payload" : path}: expected {"ts": ms, "values": {…}} or {"key": value, …}, got ${quoted(item)}`,
    );
  }
  if (!Object.hasOwn(item, "ts") || !Object.hasOwn(item, "values")) return { values: item, path, valuesPath: path };
  const { ts, values } = item as { readonly ts: unknown; readonly values: unknown };
  const valuesPath = path === "" ? "values" : `${path}.values`;
  if (isObject(values)) return { timestamp: ts, values, path, valuesPath };
  return refusal("MALFORMED_PAYLOAD", `${valuesPath}: expected an object of metrics, got ${quoted(values)}`);
}

function nameAsPath(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
