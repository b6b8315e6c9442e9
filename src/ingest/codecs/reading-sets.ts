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
  const { ts, values, units } = object as {
    readonly ts?: unknown;
    readonly values?: unknown;
    readonly units?: unknown;
  };
  for (const key of Object.keys(object)) {
    if (key === "ts" || key === "values" || key === "units") continue;
    return refusal(
      "MALFORMED_PAYLOAD",
      `${at(path, key)} does not belong there: beside "ts", metrics stand inside "values"`,
    );
  }
  if (typeof values === "object" && values !== null && !Array.isArray(values)) {
    const measurement = { timestamp: ts, values: values as JsonObject, path, valuesPath: at(path, "values") };
    return units === undefined ? measurement : withUnits(measurement, units, at(path, "units"));
  }
  const got = values === undefined ? "nothing" : quoted(values);
  return refusal("MALFORMED_PAYLOAD", `${at(path, "values")}: expected an object of metrics, got ${got}`);
}

function withUnits(measurement: Measurement, units: unknown, path: string): Measurement | Refusal {
  if (typeof units !== "object" || units === null || Array.isArray(units)) {
    return refusal("MALFORMED_PAYLOAD", `${path}: expected an object of units by metric, got ${quoted(units)}`);
  }
  const texts = Object.entries(units).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  const wrong = Object.entries(units).find(([, unit]) => typeof unit !== "string");
  if (wrong === undefined) return { ...measurement, units: Object.fromEntries(texts) };
  const [metric, unit] = wrong;
  return refusal("MALFORMED_PAYLOAD", `${at(path, metric)}: expected a unit in UCUM, got ${quoted(unit)}`);
}

function at(path: string, key: string): string {
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  return path === "" ? shown : `${path}.${shown}`;
}
