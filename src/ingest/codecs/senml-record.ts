/** One SenML record (RFC 8428, section 4), its fields checked, whatever it was written in. */
import { quoted, refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";

export interface SenmlRecord {
  bn: string | undefined;
  bt: number | undefined;
  bu: string | undefined;
  bv: number | undefined;
  bs: number | undefined;
  n: string | undefined;
  u: string | undefined;
  v: number | undefined;
  vs: string | undefined;
  vb: boolean | undefined;
  /** Base64 with the URL's alphabet, as JSON has it. */
  vd: string | undefined;
  s: number | undefined;
  t: number | undefined;
}

/** The version of RFC 8428 (section 4.4). */
const VERSION = 10;

export function jsonRecord(item: unknown, index: number): SenmlRecord | Refusal {
  if (typeof item !== "object" || item === null || Array.isArray(item)) return notARecord(item, index);
  const record = emptyRecord();
  for (const [label, value] of Object.entries(item)) {
    const wrong = assign(record, label, value, index);
    if (wrong !== undefined) return wrong;
  }
  return record;
}

/** Section 6, table 4: by label; the negative ones are those of the base. */
const LABELS = ["n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"];
const BASE_LABELS = ["", "bver", "bn", "bt", "bu", "bv", "bs"];

export function cborRecord(item: unknown, index: number): SenmlRecord | Refusal {
  if (!(item instanceof Map)) return notARecord(item, index);
  const record = emptyRecord();
  for (const [key, value] of item as ReadonlyMap<unknown, unknown>) {
    const label = typeof key === "number" ? ((key < 0 ? BASE_LABELS[-key] : LABELS[key]) ?? "") : String(key);
    const wrong = assign(record, label, value, index);
    if (wrong !== undefined) return wrong;
  }
  return record;
}

/** All fields in one order: so the engine sees one shape. */
function emptyRecord(): SenmlRecord {
  return {
    bn: undefined,
    bt: undefined,
    bu: undefined,
    bv: undefined,
    bs: undefined,
    n: undefined,
    u: undefined,
    v: undefined,
    vs: undefined,
    vb: undefined,
    vd: undefined,
    s: undefined,
    t: undefined,
  };
}

/** What is not known is passed over, unless it must be understood. */
function assign(record: SenmlRecord, label: string, value: unknown, index: number): Refusal | undefined {
  switch (label) {
    case "bt":
    case "bv":
    case "bs":
    case "v":
    case "s":
    case "t":
      if (typeof value !== "number") return expected("a number", label, value, index);
      record[label] = value;
      return undefined;
    case "bn":
    case "bu":
    case "n":
    case "u":
    case "vs":
      if (typeof value !== "string") return expected("a string", label, value, index);
      record[label] = value;
      return undefined;
    case "vb":
      if (typeof value !== "boolean") return expected("a boolean", label, value, index);
      record.vb = value;
      return undefined;
    case "vd":
      if (value instanceof Uint8Array) record.vd = Buffer.from(value).toString("base64url");
      else if (typeof value === "string") record.vd = value;
      else return expected("base64 or bytes", label, value, index);
      return undefined;
    case "bver":
      if (typeof value === "number" && value <= VERSION) return undefined;
      return expected(`a version up to ${VERSION}`, label, value, index);
    default:
      // Section 4.4: a field that ends so must be understood, or the pack refused.
      if (!label.endsWith("_")) return undefined;
      return refusal(
        "MALFORMED_PAYLOAD",
        `records[${index}]: the field ${quoted(label)} must be understood, and is not known here`,
      );
  }
}

function expected(what: string, label: string, value: unknown, index: number): Refusal {
  return refusal("MALFORMED_PAYLOAD", `records[${index}].${label}: expected ${what}, got ${quoted(value)}`);
}

function notARecord(item: unknown, index: number): Refusal {
  return refusal("MALFORMED_PAYLOAD", `records[${index}]: expected a SenML record, got ${quoted(item)}`);
}
