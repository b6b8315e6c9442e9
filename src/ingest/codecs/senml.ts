/**
 * SenML (RFC 8428), as JSON (section 5) and CBOR (section 6): records of one name, one time and one value each, resolved
 * (section 4.6) and gathered by their times into reading sets.
 *
 * A record's metric is its name `n`, with `/` and `:` as `.`; what names the device, the base name or a URN within `n`, is
 * passed over: who has logged in speaks. A record without a name of its own is called after its unit.
 */
import type { Measurement } from "../measurement.js";
import { parseJson } from "../pipeline/parse-json.js";
import { quoted, refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { readCbor } from "./cbor-data.js";
import { metricNameOf } from "./metric-name.js";
import { nameOfUnit } from "./senml-units.js";

export function decodeSenmlJson(payload: Buffer, now: number): readonly Measurement[] | Refusal {
  const parsed = parseJson(payload);
  if (!parsed.ok) return parsed.refusal;
  if (!Array.isArray(parsed.value)) return notAPack(parsed.value);
  return resolve(parsed.value, (record) => (isPlain(record) ? new Map(Object.entries(record)) : undefined), now);
}

export function decodeSenmlCbor(payload: Uint8Array, now: number): readonly Measurement[] | Refusal {
  const read = readCbor(payload, { useMaps: true });
  if (!read.ok) return refusal("MALFORMED_PAYLOAD", read.reason);
  if (!Array.isArray(read.value)) return notAPack(read.value);
  return resolve(read.value, (record) => (record instanceof Map ? withTextLabels(record) : undefined), now);
}

/** Section 6, table 4. */
const labels: Readonly<Record<number, string>> = {
  [-1]: "bver",
  [-2]: "bn",
  [-3]: "bt",
  [-4]: "bu",
  [-5]: "bv",
  [-6]: "bs",
  0: "n",
  1: "u",
  2: "v",
  3: "vs",
  4: "vb",
  5: "s",
  6: "t",
  7: "ut",
  8: "vd",
};

function withTextLabels(record: Map<unknown, unknown>): Fields {
  return new Map(
    [...record].map(([label, value]) => [
      typeof label === "number" ? (labels[label] ?? String(label)) : String(label),
      value,
    ]),
  );
}

type Fields = ReadonlyMap<string, unknown>;

/** The version of RFC 8428 (section 4.4). */
const VERSION = 10;
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
  readonly units: Record<string, string>;
  readonly first: number;
  last: number;
  readonly timestamp: number | undefined;
}

function resolve(
  pack: readonly unknown[],
  fieldsOf: (record: unknown) => Fields | undefined,
  now: number,
): readonly Measurement[] | Refusal {
  const base: Base = { name: "", time: 0, unit: undefined, value: 0, sum: 0 };
  /** The newest set of each time; a metric that comes twice in one time begins another. */
  const open = new Map<number | undefined, Gathered>();
  const sets: Gathered[] = [];
  for (const [index, item] of pack.entries()) {
    const fields = fieldsOf(item);
    if (fields === undefined) {
      return refusal("MALFORMED_PAYLOAD", `records[${index}]: expected a SenML record, got ${quoted(item)}`);
    }
    const wrong = wrongField(fields, index) ?? rebase(base, fields, index);
    if (wrong !== undefined) return wrong;
    const timestamp = timeOf(base.time + numberOr(fields.get("t"), 0), now);
    for (const [metric, value] of valuesOf(base, fields)) {
      let set = open.get(timestamp);
      if (set === undefined || Object.hasOwn(set.values, metric)) {
        set = { values: {}, units: {}, first: index, last: index, timestamp };
        open.set(timestamp, set);
        sets.push(set);
      }
      set.values[metric] = value;
      set.last = index;
      const unit = unitOf(base, fields);
      if (unit !== undefined && unit !== "" && typeof value === "number") set.units[metric] = unit;
    }
  }
  if (sets.length === 0) return refusal("MALFORMED_PAYLOAD", "the SenML pack has no record with a value");
  return sets.map(measurementOf);
}

function measurementOf({ values, units, first, last, timestamp }: Gathered): Measurement {
  const path = first === last ? `records[${first}]` : `records[${first}..${last}]`;
  const measurement = { values, units, path, valuesPath: path };
  return timestamp === undefined ? measurement : { ...measurement, timestamp };
}

const NUMBERS = new Set(["bt", "bv", "bs", "v", "s", "t", "ut"]);
const TEXTS = new Set(["bn", "bu", "n", "u", "vs"]);

function wrongField(fields: Fields, index: number): Refusal | undefined {
  for (const [label, value] of fields) {
    const expected = NUMBERS.has(label) ? "number" : TEXTS.has(label) ? "string" : undefined;
    if (expected !== undefined && typeof value !== expected) {
      return refusal("MALFORMED_PAYLOAD", `records[${index}].${label}: expected a ${expected}, got ${quoted(value)}`);
    }
    if (label === "vb" && typeof value !== "boolean") {
      return refusal("MALFORMED_PAYLOAD", `records[${index}].vb: expected a boolean, got ${quoted(value)}`);
    }
    if (label === "bver" && (typeof value !== "number" || value > VERSION)) {
      return refusal(
        "MALFORMED_PAYLOAD",
        `records[${index}].bver: only version ${VERSION} is read, got ${quoted(value)}`,
      );
    }
    // Section 4.4: a field that ends so must be understood, or the pack refused.
    if (label.endsWith("_")) {
      return refusal(
        "MALFORMED_PAYLOAD",
        `records[${index}]: the field ${quoted(label)} must be understood, and is not known here`,
      );
    }
  }
  return undefined;
}

function rebase(base: Base, fields: Fields, index: number): Refusal | undefined {
  const name = fields.get("bn");
  if (typeof name === "string") {
    // Two devices' values under one metric name would become one device's.
    if (base.name !== "" && name !== "" && name !== base.name) {
      return refusal(
        "MALFORMED_PAYLOAD",
        `records[${index}].bn: a pack is of one device, and this base name is another than ${quoted(base.name)}: publish a pack for each`,
      );
    }
    base.name = name;
  }
  base.time = numberOr(fields.get("bt"), base.time);
  base.value = numberOr(fields.get("bv"), base.value);
  base.sum = numberOr(fields.get("bs"), base.sum);
  const unit = fields.get("bu");
  if (typeof unit === "string") base.unit = unit;
  return undefined;
}

/** Ms since 1970; `undefined` for "now", which is stamped on arrival. */
function timeOf(seconds: number, now: number): number | undefined {
  if (seconds === 0) return undefined;
  return seconds < ABSOLUTE_FROM ? Math.round(now + seconds * 1_000) : Math.round(seconds * 1_000);
}

/** What a record says: its value, and a sum beside it or alone. */
function* valuesOf(base: Base, fields: Fields): Iterable<readonly [metric: string, value: unknown]> {
  const metric = metricOf(base, fields);
  const v = fields.get("v");
  const data = fields.get("vd");
  if (v !== undefined) yield [metric, base.value + (v as number)];
  else if (fields.has("vs")) yield [metric, fields.get("vs")];
  else if (fields.has("vb")) yield [metric, fields.get("vb")];
  // Base64 with the URL's alphabet, as JSON has it, in CBOR too.
  else if (data !== undefined)
    yield [metric, data instanceof Uint8Array ? Buffer.from(data).toString("base64url") : data];
  else if (base.value !== 0 && fields.has("n") && !fields.has("s")) yield [metric, base.value];
  const sum = fields.get("s");
  if (sum !== undefined) yield [`${metric}.sum`, base.sum + (sum as number)];
}

/** What names a device in a name: `urn:dev:mac:0024befffe804ff1`, `urn:dev:ow:10e2073a01080063` (RFC 9039). */
const DEVICE_URN = /^urn:[^:]+:[^:]+:[^:_/;]+/u;

function metricOf(base: Base, fields: Fields): string {
  const name = fields.get("n");
  const own = typeof name === "string" ? withoutDevice(name) : "";
  // Of a base name that is a URN, what stands behind the device's part may be all of the name: "urn:dev:ow:10e2073a01080063:temp".
  const plain = own === "" && DEVICE_URN.test(base.name) ? withoutDevice(base.name) : own;
  return plain === "" ? nameOfUnit(unitOf(base, fields)) : metricNameOf(plain);
}

function withoutDevice(name: string): string {
  return DEVICE_URN.test(name) ? name.replace(DEVICE_URN, "").replace(/^[:_/;]+/u, "") : name;
}

function unitOf(base: Base, fields: Fields): string | undefined {
  const unit = fields.get("u");
  return typeof unit === "string" ? unit : base.unit;
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notAPack(value: unknown): Refusal {
  return refusal("MALFORMED_PAYLOAD", `the payload: expected a SenML pack, an array of records, got ${quoted(value)}`);
}
