/**
 * SenML (RFC 8428), as JSON (section 5) and CBOR (section 6): records of one name, one time and one value each, resolved
 * (section 4.6) and gathered by their times into reading sets.
 *
 * A record's metric is its name `n`, with `/` and `:` as `.`; what names the device, the base name or a URN within `n`, is
 * passed over: who has logged in speaks. A record without a name of its own is called after its unit.
 */
import { BoundedMap } from "../../platform/bounded-map.js";
import type { Measurement } from "../measurement.js";
import { parseJson } from "../pipeline/parse-json.js";
import { quoted, refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { readCbor } from "./cbor-data.js";
import { metricNameOf } from "./metric-name.js";
import { cborRecord, jsonRecord } from "./senml-record.js";
import type { SenmlRecord } from "./senml-record.js";
import { nameOfUnit } from "./senml-units.js";

export function decodeSenmlJson(payload: Buffer, now: number): readonly Measurement[] | Refusal {
  const parsed = parseJson(payload);
  return parsed.ok ? resolve(parsed.value, jsonRecord, now) : parsed.refusal;
}

export function decodeSenmlCbor(payload: Uint8Array, now: number): readonly Measurement[] | Refusal {
  const read = readCbor(payload, { useMaps: true });
  return read.ok ? resolve(read.value, cborRecord, now) : refusal("MALFORMED_PAYLOAD", read.reason);
}

/** Times below it are relative to now (section 4.5.3), seconds. */
const ABSOLUTE_FROM = 2 ** 28;

interface Base {
  name: string;
  time: number;
  unit: string | undefined;
  value: number;
  sum: number;
}

interface Gathered {
  readonly values: Record<string, unknown>;
  units: Record<string, string> | undefined;
  readonly first: number;
  last: number;
  readonly timestamp: number | undefined;
}

function resolve(
  pack: unknown,
  recordOf: (item: unknown, index: number) => SenmlRecord | Refusal,
  now: number,
): readonly Measurement[] | Refusal {
  if (!Array.isArray(pack)) {
    return refusal("MALFORMED_PAYLOAD", `the payload: expected a SenML pack, an array of records, got ${quoted(pack)}`);
  }
  const base: Base = { name: "", time: 0, unit: undefined, value: 0, sum: 0 };
  const sets = createSets();
  for (const [index, item] of (pack as readonly unknown[]).entries()) {
    const record = recordOf(item, index);
    if ("code" in record) return record;
    const wrong = rebase(base, record, index);
    if (wrong !== undefined) return wrong;
    const timestamp = timeOf(base.time + (record.t ?? 0), now);
    const value = valueOf(base, record);
    if (value === undefined && record.s === undefined) continue;
    const metric = metricOf(base, record);
    const unit = record.u ?? base.unit;
    if (value !== undefined) sets.add(timestamp, metric, value, unit, index);
    if (record.s !== undefined) sets.add(timestamp, `${metric}.sum`, base.sum + record.s, unit, index);
  }
  if (sets.all.length === 0) return refusal("MALFORMED_PAYLOAD", "the SenML pack has no record with a value");
  return sets.all.map(measurementOf);
}

interface Sets {
  readonly all: readonly Gathered[];
  add(timestamp: number | undefined, metric: string, value: unknown, unit: string | undefined, index: number): void;
}

/** Reading sets by time; a metric that comes twice with one time begins another. */
function createSets(): Sets {
  const all: Gathered[] = [];
  const open = new Map<number | undefined, Gathered>();
  return {
    all,
    add(timestamp, metric, value, unit, index) {
      let set = open.get(timestamp);
      if (set === undefined || Object.hasOwn(set.values, metric)) {
        set = { values: {}, units: undefined, first: index, last: index, timestamp };
        open.set(timestamp, set);
        all.push(set);
      }
      set.values[metric] = value;
      set.last = index;
      if (unit === undefined || unit === "" || typeof value !== "number") return;
      set.units ??= {};
      set.units[metric] = unit;
    },
  };
}

function measurementOf({ values, units, first, last, timestamp }: Gathered): Measurement {
  const path = first === last ? `records[${first}]` : `records[${first}..${last}]`;
  const measurement = { values, path, valuesPath: path };
  const timed = timestamp === undefined ? measurement : { ...measurement, timestamp };
  return units === undefined ? timed : { ...timed, units };
}

function rebase(base: Base, { bn, bt, bu, bv, bs }: SenmlRecord, index: number): Refusal | undefined {
  if (bn !== undefined) {
    // Two devices' values under one metric name would become one device's.
    if (base.name !== "" && bn !== "" && bn !== base.name) {
      return refusal(
        "MALFORMED_PAYLOAD",
        `records[${index}].bn: a pack is of one device, and this base name is another than ${quoted(base.name)}: publish a pack for each`,
      );
    }
    base.name = bn;
  }
  base.time = bt ?? base.time;
  base.value = bv ?? base.value;
  base.sum = bs ?? base.sum;
  base.unit = bu ?? base.unit;
  return undefined;
}

/** Ms since 1970; `undefined` for "now", which is stamped on arrival. */
function timeOf(seconds: number, now: number): number | undefined {
  if (seconds === 0) return undefined;
  return seconds < ABSOLUTE_FROM ? Math.round(now + seconds * 1_000) : Math.round(seconds * 1_000);
}

function valueOf(base: Base, { v, vs, vb, vd, s, n }: SenmlRecord): number | string | boolean | undefined {
  if (v !== undefined) return base.value + v;
  const other = vs ?? vb ?? vd;
  if (other !== undefined || s !== undefined) return other;
  // Section 4.5.4: a value that is missing beside a base value is zero.
  return base.value !== 0 && n !== undefined ? base.value : undefined;
}

/** What names a device in a name: `urn:dev:mac:0024befffe804ff1`, `urn:dev:ow:10e2073a01080063` (RFC 9039). */
const DEVICE_URN = /^urn:[^:]+:[^:]+:[^:_/;]+/u;

/** A fleet has few names, and says them all the time. */
const metricNames = new BoundedMap<string, string>(10_000);
const MAX_REMEMBERED_LENGTH = 128;

function metricOf(base: Base, { n = "", u }: SenmlRecord): string {
  // Of a base name that is a URN, what stands behind the device's part may be all of the name: "urn:dev:ow:10e2073a01080063:temp".
  const metric = metricIn(n) || (base.name.startsWith("urn:") ? metricIn(base.name) : "");
  return metric === "" ? nameOfUnit(u ?? base.unit) : metric;
}

/** Empty where the name is the device's alone. */
function metricIn(name: string): string {
  const known = metricNames.peek(name);
  if (known !== undefined) return known;
  const own = DEVICE_URN.test(name) ? name.replace(DEVICE_URN, "").replace(/^[:_/;]+/u, "") : name;
  const metric = own === "" ? "" : metricNameOf(own);
  if (name.length <= MAX_REMEMBERED_LENGTH) metricNames.set(name, metric);
  return metric;
}
