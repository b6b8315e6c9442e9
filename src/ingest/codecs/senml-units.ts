/** What a SenML record is called that has no name of its own, by its unit (RFC 8428, section 12.1). */
const names: Readonly<Record<string, string>> = {
  Cel: "temperature",
  K: "temperature",
  "%RH": "humidity",
  "%EL": "battery",
  EL: "battery_seconds",
  lat: "latitude",
  lon: "longitude",
  lx: "illuminance",
  V: "voltage",
  A: "current",
  W: "power",
  J: "energy",
  Pa: "pressure",
  m: "distance",
  kg: "mass",
  "m/s": "velocity",
  Ohm: "resistance",
  dBm: "signal",
  dBW: "signal",
  count: "count",
  "beat/min": "heart_rate",
  beats: "heart_beats",
  pH: "ph",
  "S/m": "conductivity",
};

export function nameOfUnit(unit: string | undefined): string {
  return unit !== undefined && Object.hasOwn(names, unit) ? (names[unit] ?? "value") : "value";
}
