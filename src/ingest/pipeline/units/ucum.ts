/**
 * As much of UCUM (ucum.org) as devices need: its expressions (prefixes, exponents, ".", "/", parentheses, annotations),
 * its base units and the derived ones that sensors speak of. A library has all 300 units, and weighs megabytes.
 *
 * A unit is a line: value in base units = `factor` × value + `offset`. Units of one dimension convert into each other.
 */
export interface Unit {
  readonly factor: number;
  /** 0 for all but temperatures and levels, which stand alone: nobody multiplies degrees Celsius. */
  readonly offset: number;
  /** Exponents of the base units, those that are 0 left out, sorted by name: "kind" of the quantity. */
  readonly dimension: Readonly<Record<string, number>>;
}

type Atom = readonly [factor: number, of: string, metric?: "metric"];

const PREFIXES: Readonly<Record<string, number>> = {
  Y: 1e24,
  Z: 1e21,
  E: 1e18,
  P: 1e15,
  T: 1e12,
  G: 1e9,
  M: 1e6,
  k: 1e3,
  h: 1e2,
  da: 1e1,
  d: 1e-1,
  c: 1e-2,
  m: 1e-3,
  u: 1e-6,
  n: 1e-9,
  p: 1e-12,
  f: 1e-15,
  a: 1e-18,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
};

/** UCUM counts in moles as in numbers of things, in bits likewise: here they are quantities of their own, so that nobody's mole becomes a percent. */
const BASES: Readonly<Record<string, "metric" | "plain">> = {
  m: "metric",
  s: "metric",
  g: "metric",
  rad: "metric",
  K: "metric",
  C: "metric",
  cd: "metric",
  mol: "metric",
  bit: "metric",
  B: "metric",
  // Not UCUM's: reactive power, which SenML (RFC 8798) keeps apart from the real one.
  var: "metric",
};

const ATOMS: Readonly<Record<string, Atom>> = {
  "%": [0.01, "1"],
  "[ppth]": [1e-3, "1"],
  "[ppm]": [1e-6, "1"],
  "[ppb]": [1e-9, "1"],
  min: [60, "s"],
  h: [3600, "s"],
  d: [86_400, "s"],
  wk: [604_800, "s"],
  a: [31_557_600, "s"],
  Hz: [1, "s-1", "metric"],
  N: [1000, "g.m/s2", "metric"],
  Pa: [1, "N/m2", "metric"],
  J: [1, "N.m", "metric"],
  W: [1, "J/s", "metric"],
  A: [1, "C/s", "metric"],
  V: [1, "J/C", "metric"],
  F: [1, "C/V", "metric"],
  Ohm: [1, "V/A", "metric"],
  S: [1, "A/V", "metric"],
  Wb: [1, "V.s", "metric"],
  T: [1, "Wb/m2", "metric"],
  G: [1e-4, "T", "metric"],
  H: [1, "Wb/A", "metric"],
  // A steradian is a number, as UCUM has it.
  sr: [1, "rad2"],
  lm: [1, "cd.sr", "metric"],
  lx: [1, "lm/m2", "metric"],
  Bq: [1, "s-1", "metric"],
  Ci: [3.7e10, "Bq", "metric"],
  Gy: [1, "J/kg", "metric"],
  Sv: [1, "J/kg", "metric"],
  kat: [1, "mol/s", "metric"],
  l: [1e-3, "m3", "metric"],
  L: [1e-3, "m3", "metric"],
  ar: [100, "m2", "metric"],
  t: [1e6, "g", "metric"],
  bar: [1e5, "Pa", "metric"],
  atm: [101_325, "Pa"],
  "m[Hg]": [133_322, "Pa", "metric"],
  "m[H2O]": [9806.65, "Pa", "metric"],
  "[psi]": [6894.757293168361, "Pa"],
  "[in_i'Hg]": [3386.3788, "Pa"],
  eV: [1.602176487e-19, "J", "metric"],
  cal: [4.184, "J", "metric"],
  "[Btu]": [1055.05585262, "J"],
  "[HP]": [745.6998715822702, "W"],
  deg: [Math.PI / 180, "rad"],
  gon: [Math.PI / 200, "rad"],
  "'": [Math.PI / 10_800, "rad"],
  "''": [Math.PI / 648_000, "rad"],
  circ: [2 * Math.PI, "rad"],
  g: [1, "g", "metric"],
  "[g]": [9.80665, "m/s2"],
  "[lb_av]": [453.59237, "g"],
  "[oz_av]": [28.349523125, "g"],
  "[lbf_av]": [4.4482216152605, "N"],
  "[in_i]": [0.0254, "m"],
  "[ft_i]": [0.3048, "m"],
  "[yd_i]": [0.9144, "m"],
  "[mi_i]": [1609.344, "m"],
  "[nmi_i]": [1852, "m"],
  "[kn_i]": [1852 / 3600, "m/s"],
  "[gal_us]": [3.785411784e-3, "m3"],
  "[cft_i]": [0.028316846592, "m3"],
  By: [8, "bit", "metric"],
  Bd: [1, "s-1", "metric"],
};

/** Alone only. */
const SCALES: Readonly<Record<string, Unit>> = {
  Cel: { factor: 1, offset: 273.15, dimension: { K: 1 } },
  "[degF]": { factor: 5 / 9, offset: (459.67 * 5) / 9, dimension: { K: 1 } },
  "[degR]": { factor: 5 / 9, offset: 0, dimension: { K: 1 } },
  "[pH]": { factor: 1, offset: 0, dimension: { pH: 1 } },
  "B[W]": { factor: 10, offset: 0, dimension: { "dB[W]": 1 } },
  "dB[W]": { factor: 1, offset: 0, dimension: { "dB[W]": 1 } },
  "B[kW]": { factor: 10, offset: 30, dimension: { "dB[W]": 1 } },
  "dB[kW]": { factor: 1, offset: 30, dimension: { "dB[W]": 1 } },
  // Not UCUM's, which has no level above a milliwatt; everybody's radio speaks of it.
  dBm: { factor: 1, offset: -30, dimension: { "dB[W]": 1 } },
  "B[SPL]": { factor: 10, offset: 0, dimension: { "dB[SPL]": 1 } },
  "dB[SPL]": { factor: 1, offset: 0, dimension: { "dB[SPL]": 1 } },
};

const MAX_LENGTH = 64;
const MAX_DEPTH = 8;
const COMPONENT = /^((?:\[[^\]{}]*\]|[^\d.\-+/(){}[\]])+)([+-]?\d{1,2})?/u;
const NUMBER = /^(?:10[*^]([+-]?\d{1,2})|(\d{1,9}))/u;
const ANNOTATION = /^\{[^{}]*\}/u;

/** The unit of a UCUM expression (case sensitive, "c/s"), or undefined for one that is not known here. Never throws. */
export function parseUnit(text: string): Unit | undefined {
  if (text.length === 0 || text.length > MAX_LENGTH) return undefined;
  const bare = text.replace(/\{[^{}]*\}$/u, "");
  if (Object.hasOwn(SCALES, bare)) return SCALES[bare];
  const reader = new Reader(text);
  const unit = reader.term(0);
  return unit !== undefined && reader.isAtEnd && Number.isFinite(unit.factor) && unit.factor > 0 ? unit : undefined;
}

class Reader {
  #rest: string;

  constructor(text: string) {
    this.#rest = text;
  }

  get isAtEnd(): boolean {
    return this.#rest === "";
  }

  /** `component ((. | /) component)*`, with a "/" in front where the first is divided by. */
  term(depth: number): Unit | undefined {
    let unit: Unit | undefined = NUMBER_ONE;
    let divides = this.#skip("/");
    for (;;) {
      const next = this.#component(depth);
      if (next === undefined) return undefined;
      unit = multiply(unit, power(next, divides ? -1 : 1));
      if (this.#skip(".")) divides = false;
      else if (this.#skip("/")) divides = true;
      else return unit;
    }
  }

  #component(depth: number): Unit | undefined {
    if (this.#skip("(")) {
      if (depth >= MAX_DEPTH) return undefined;
      const inner = this.term(depth + 1);
      return inner !== undefined && this.#skip(")") ? inner : undefined;
    }
    if (this.#match(ANNOTATION) !== undefined) return NUMBER_ONE;
    const number = this.#match(NUMBER);
    if (number !== undefined) {
      const [, exponent, whole] = number;
      return { ...NUMBER_ONE, factor: exponent === undefined ? Number(whole) : 10 ** Number(exponent) };
    }
    const [matched, code = "", exponent = "1"] = this.#match(COMPONENT) ?? [];
    if (matched === undefined) return undefined;
    const unit = simple(code);
    this.#match(ANNOTATION);
    return unit === undefined ? undefined : power(unit, Number(exponent));
  }

  #skip(mark: string): boolean {
    if (!this.#rest.startsWith(mark)) return false;
    this.#rest = this.#rest.slice(mark.length);
    return true;
  }

  #match(pattern: RegExp): readonly (string | undefined)[] | undefined {
    const match = pattern.exec(this.#rest);
    if (match === null) return undefined;
    this.#rest = this.#rest.slice(match[0].length);
    return match;
  }
}

const NUMBER_ONE: Unit = { factor: 1, offset: 0, dimension: {} };

/** A base unit or an atom, with or without a prefix. The whole code first: "cd" is a candela, and no centiday. */
function simple(code: string): Unit | undefined {
  const whole = atom(code);
  if (whole !== undefined) return whole.unit;
  for (const length of [1, 2]) {
    const prefix = code.slice(0, length);
    const factor = Object.hasOwn(PREFIXES, prefix) ? PREFIXES[prefix] : undefined;
    const prefixed = factor === undefined ? undefined : atom(code.slice(length));
    if (factor === undefined || prefixed?.isMetric !== true) continue;
    return { ...prefixed.unit, factor: prefixed.unit.factor * factor };
  }
  return undefined;
}

function atom(code: string): { readonly unit: Unit; readonly isMetric: boolean } | undefined {
  if (Object.hasOwn(BASES, code)) {
    return { unit: { ...NUMBER_ONE, dimension: { [code]: 1 } }, isMetric: BASES[code] === "metric" };
  }
  const known = Object.hasOwn(ATOMS, code) ? ATOMS[code] : undefined;
  if (known === undefined) return undefined;
  const [factor, of, metric] = known;
  const unit = new Reader(of).term(0);
  return unit === undefined
    ? undefined
    : { unit: { ...unit, factor: unit.factor * factor }, isMetric: metric !== undefined };
}

function multiply(a: Unit, b: Unit): Unit {
  const dimension: Record<string, number> = { ...a.dimension };
  for (const [base, exponent] of Object.entries(b.dimension)) {
    const sum = (dimension[base] ?? 0) + exponent;
    if (sum === 0) delete dimension[base];
    else dimension[base] = sum;
  }
  return { factor: a.factor * b.factor, offset: 0, dimension };
}

function power(unit: Unit, exponent: number): Unit {
  if (exponent === 1) return unit;
  const dimension = Object.fromEntries(
    Object.entries(unit.dimension).flatMap(([base, of]) => (exponent === 0 ? [] : [[base, of * exponent]])),
  );
  return { factor: unit.factor ** exponent, offset: 0, dimension };
}
