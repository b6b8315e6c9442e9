/** The forms of the contract, whatever they were written in: a reading set, an array of them, or the short form `{"temperature": 21.5}`. */
import type { Measurement } from "../measurement.js";
import { quoted, refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";

type JsonObject = Readonly<Record<string, unknown>>;

export function readSets(value: unknown): readonly Measurement[] | Refusal {
  if (!Array.isArray(value)) {
    const measurement = readSet(value, "");
    return "code" in measurement ? measurement : [measurement];
  }
  const measurements: Measurement[] = [];
  for (const [index, item] of (value as readonly unknown[]).entries()) {
    const measurement = readSet(item, `readings[${index}]`);
    if ("code" in measurement) return measurement;
    measurements.push(measurement);
  }
  return measurements;
}

function readSet(item: unknown, path: string): Measurement | Refusal {
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    return refusal(
      "MALFORMED_PAYLOAD",
      `${path === "" ? "the payload" : path}: expected {"ts": ms, "values": {…}} or {"metric": value, …}, got ${quoted(item)}`,
    );
  }
  const object = item as JsonObject;
  const isLong = Object.hasOwn(object, "values") || Object.hasOwn(object, "ts");
  if (!isLong) return { values: object, path, valuesPath: path };
  const { ts, values } = object as { readonly ts?: unknown; readonly values?: unknown };
  for (const key of Object.keys(object)) {
    if (key === "ts" || key === "values") continue;
    return refusal(
      "MALFORMED_PAYLOAD",
      `${at(path, key)} does not belong there: beside "ts", metrics stand inside "values"`,
    );
  }
  if (typeof values === "object" && values !== null && !Array.isArray(values)) {
    return { timestamp: ts, values: values as JsonObject, path, valuesPath: at(path, "values") };
  }
  const got = values === undefined ? "nothing" : quoted(values);
  return refusal("MALFORMED_PAYLOAD", `${at(path, "values")}: expected an object of metrics, got ${got}`);
}

function at(path: string, key: string): string {
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  return path === "" ? shown : `${path}.${shown}`;
}
