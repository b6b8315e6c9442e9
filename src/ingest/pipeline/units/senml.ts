/** The unit names of SenML as UCUM writes them: RFC 8428, section 12.1, and RFC 8798, sections 2 and 3, with what IANA has registered since. */
const NAMES: Readonly<Record<string, string>> = {
  // RFC 8428, those that UCUM writes in another way; "m", "kg", "Cel", "m/s2", … are the same in both.
  lat: "deg",
  lon: "deg",
  pH: "[pH]",
  dBW: "dB[W]",
  Bspl: "B[SPL]",
  count: "{count}",
  "/": "{ratio}",
  "%RH": "%{RH}",
  "%EL": "%{EL}",
  EL: "s",
  beats: "{beats}",
  "beat/min": "{beats}/min",
  // RFC 8798, primary
  B: "By",
  VA: "V.A",
  VAs: "V.A.s",
  vars: "var.s",
  // RFC 8798, secondary
  Ah: "A.h",
  Wh: "W.h",
  kWh: "kW.h",
  varh: "var.h",
  kvarh: "kvar.h",
  kVA: "kV.A",
  VAh: "V.A.h",
  kVAh: "kV.A.h",
  "Wh/km": "W.h/km",
  KiB: "KiBy",
  GB: "GBy",
  "B/s": "By/s",
  "MB/s": "MBy/s",
  ppm: "[ppm]",
  ppb: "[ppb]",
  ppt: "10*-12",
  "/100": "%",
  "/1000": "[ppth]",
  NTU: "{NTU}",
};

/** What UCUM calls the unit that SenML calls `name`; a name that is spelt the same in both, or is not SenML's, comes back as it is. */
export function ucumOfSenml(name: string): string {
  return Object.hasOwn(NAMES, name) ? (NAMES[name] ?? name) : name;
}
