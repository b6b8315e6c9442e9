/** From the unit in which a device says a value to that of its type's definition. */
import { BoundedMap } from "../../../platform/bounded-map.js";
import { ucumOfSenml } from "./senml.js";
import { parseUnit } from "./ucum.js";
import type { Unit } from "./ucum.js";

export type Conversion =
  | { readonly ok: true; readonly convert: (value: number) => number }
  | { readonly ok: false; readonly why: string };

/** Both in UCUM. */
export type Conversions = (from: string, to: string) => Conversion;

const same: Conversion = { ok: true, convert: (value) => value };

/** Finds conversions, and remembers the last 1,000 of them, refusals too: what a hostile device makes up is worked out once and forgotten. */
export function createConversions(capacity = 1_000): Conversions {
  const known = new BoundedMap<string, Conversion>(capacity);
  return (from, to) => {
    if (from === to) return same;
    const key = `${from}\n${to}`;
    const held = known.get(key);
    if (held !== undefined) return held;
    const found = conversion(from, to);
    known.set(key, found);
    return found;
  };
}

function conversion(from: string, to: string): Conversion {
  const given = unitOf(from);
  if (given === undefined) return { ok: false, why: `the unit ${shown(from)} is not known: write it as UCUM does` };
  const wanted = unitOf(to);
  if (wanted === undefined) {
    return { ok: false, why: `the device type's unit ${shown(to)} is none that ${shown(from)} can be converted to` };
  }
  if (!isSameKind(given, wanted)) {
    return { ok: false, why: `the unit ${shown(from)} cannot be converted to the device type's ${shown(to)}` };
  }
  const scale = given.factor / wanted.factor;
  const offset = (given.offset - wanted.offset) / wanted.factor;
  return scale === 1 && offset === 0 ? same : { ok: true, convert: (value) => tidy(value * scale + offset) };
}

/** A name of SenML's will do where UCUM has no unit of that name. */
function unitOf(text: string): Unit | undefined {
  return parseUnit(text) ?? parseUnit(ucumOfSenml(text));
}

/** Without the noise of the last binary digit: 212 degrees Fahrenheit are 100 Celsius, and not 100.00000000000006. */
export function tidy(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(14)) : value;
}

function isSameKind(a: Unit, b: Unit): boolean {
  const bases = new Set([...Object.keys(a.dimension), ...Object.keys(b.dimension)]);
  return [...bases].every((base) => a.dimension[base] === b.dimension[base]);
}

function shown(unit: string): string {
  return JSON.stringify(unit.length > 40 ? `${unit.slice(0, 40)}…` : unit);
}
