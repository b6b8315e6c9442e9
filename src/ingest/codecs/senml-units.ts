/** SenML's units (RFC 8428, section 12.1; secondary units of RFC 8798) in UCUM, and what a record is called that has only a unit. */

interface Unit {
  readonly ucum: string;
  /** Of a metric without a name. */
  readonly name?: string;
}

/** Units that are not written here are the same in UCUM. */
const units: Readonly<Record<string, Unit>> = {
  Cel: { ucum: "Cel", name: "temperature" },
  K: { ucum: "K", name: "temperature" },
  "%RH": { ucum: "%", name: "humidity" },
  "%EL": { ucum: "%", name: "battery" },
  EL: { ucum: "s", name: "battery_seconds" },
  lat: { ucum: "deg", name: "latitude" },
  lon: { ucum: "deg", name: "longitude" },
  lx: { ucum: "lx", name: "illuminance" },
  V: { ucum: "V", name: "voltage" },
  A: { ucum: "A", name: "current" },
  W: { ucum: "W", name: "power" },
  J: { ucum: "J", name: "energy" },
  Pa: { ucum: "Pa", name: "pressure" },
  m: { ucum: "m", name: "distance" },
  kg: { ucum: "kg", name: "mass" },
  "m/s": { ucum: "m/s", name: "velocity" },
  Ohm: { ucum: "Ohm", name: "resistance" },
  dB: { ucum: "dB" },
  dBm: { ucum: "dB[mW]", name: "signal" },
  dBW: { ucum: "dB[W]", name: "signal" },
  "/": { ucum: "1" },
  count: { ucum: "1", name: "count" },
  bit: { ucum: "bit" },
  "1/s": { ucum: "/s" },
  "1/min": { ucum: "/min" },
  "beat/min": { ucum: "/min", name: "heart_rate" },
  beats: { ucum: "1", name: "heart_beats" },
  pH: { ucum: "[pH]", name: "ph" },
  "S/m": { ucum: "S/m", name: "conductivity" },
};

/** `undefined` where a record has no unit. */
export function ucumOf(unit: string | undefined): string | undefined {
  if (unit === undefined || unit === "") return undefined;
  return Object.hasOwn(units, unit) ? units[unit]?.ucum : unit;
}

export function nameOfUnit(unit: string | undefined): string {
  if (unit === undefined || !Object.hasOwn(units, unit)) return "value";
  return units[unit]?.name ?? "value";
}
