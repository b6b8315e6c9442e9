/** The form in which a refused message is kept: with the reason, and with all that it takes to try it again. */
import { isUtf8 } from "node:buffer";
import type { ErrorCode } from "../../platform/errors.js";
import { newId } from "../../platform/ids.js";
import type { Format } from "../codecs/format.js";
import type { Door } from "../counters.js";
import type { Measurement } from "../measurement.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Reading } from "../reading.js";
import type { UpTopic } from "../topics.js";

/**
 * How a kept message goes through the pipeline again.
 * - `message`: the payload as it came, on its topic;
 * - `measurements`: decoded already, because the payload speaks of several devices or needs the bridge's mapping;
 * - `reading`: past the pipeline already, refused by InfluxDB.
 * `child`: what a gateway calls the device that it said this for; absent where the sender spoke of itself.
 */
export type ReplayForm =
  | { readonly as: "message"; readonly topic: UpTopic; readonly format?: Format; readonly child?: string }
  | { readonly as: "measurements"; readonly measurements: readonly Measurement[]; readonly child?: string }
  | { readonly as: "reading"; readonly reading: Reading };

/** A refused message, as FLEETLOG_REJECTIONS keeps it (JSON). */
export interface Rejection {
  /** The same however often it is delivered. Those of earlier versions have none. */
  readonly id?: string;
  /** When it came in, ms since the epoch. */
  readonly at: number;
  readonly door: Door;
  readonly code: ErrorCode;
  readonly reason: string;
  /** The MQTT topic, the HTTP path or the NATS subject. */
  readonly topic: string;
  /** The whole payload up to 32 KiB, else its first 4 KiB; as text where it is UTF-8. */
  readonly payload: string;
  readonly encoding: "utf8" | "base64";
  /** Of the whole payload. */
  readonly bytes: number;
  /** Absent: it cannot be replayed, because it is too large or was never a message that a device may send. */
  readonly form?: ReplayForm;
  /** The line that InfluxDB refused. */
  readonly line?: string;
}

/** Refusals that were counted and not kept: `{at, counts}` on `subjects.rejectionCounts(tenant)`. */
export interface RejectionCounts {
  readonly at: number;
  readonly counts: readonly RejectionCount[];
}

export interface RejectionCount {
  readonly deviceId: string;
  readonly door: Door;
  readonly code: ErrorCode;
  readonly count: number;
}

/** A refusal on its way into the ledger. */
export interface Refused {
  readonly id?: string;
  readonly door: Door;
  readonly why: Refusal;
  readonly topic: string;
  readonly payload: Buffer;
  /** When the message came in, ms. */
  readonly at: number;
  readonly form?: ReplayForm | undefined;
  readonly line?: string;
}

/** Payloads up to here are kept whole, and can be replayed. */
export const MAX_KEPT_BYTES = 32 * 1024;
const HEAD_BYTES = 4 * 1024;
const MAX_REASON = 1_024;
const MAX_LINE = 4_096;

/** How many bytes a rejection takes, about: what the sampling counts with before anything is encoded. */
export function keptBytesOf({ payload }: Refused): number {
  return payload.length <= MAX_KEPT_BYTES ? payload.length : HEAD_BYTES;
}

export function encodeRejection(refused: Refused): Uint8Array {
  const { id = newId(), door, why, topic, payload, at, form, line } = refused;
  const isWhole = payload.length <= MAX_KEPT_BYTES;
  const kept = isWhole ? payload : payload.subarray(0, HEAD_BYTES);
  const text = textOf(kept, isWhole);
  const rejection: Rejection = {
    id,
    at,
    door,
    code: why.code,
    reason: why.message.slice(0, MAX_REASON),
    topic: topic.slice(0, 512),
    payload: text ?? kept.toString("base64"),
    encoding: text === undefined ? "base64" : "utf8",
    bytes: payload.length,
    ...(line === undefined ? {} : { line: line.slice(0, MAX_LINE) }),
  };
  const again = replayableForm(form, isWhole);
  return Buffer.from(JSON.stringify(again === undefined ? rejection : { ...rejection, form: again }));
}

/** What is decoded already does not need the payload, but has a bound of its own. */
function replayableForm(form: ReplayForm | undefined, isWhole: boolean): ReplayForm | undefined {
  if (form === undefined || form.as === "reading") return form;
  if (form.as === "message") return isWhole ? form : undefined;
  return jsonLength(form.measurements) <= MAX_KEPT_BYTES ? form : undefined;
}

/** Measurements are not believed yet: what JSON cannot hold cannot be kept. */
function jsonLength(measurements: readonly Measurement[]): number {
  try {
    return JSON.stringify(measurements).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function textOf(bytes: Buffer, isWhole: boolean): string | undefined {
  if (isWhole) return isUtf8(bytes) ? bytes.toString("utf8") : undefined;
  const text = bytes.toString("utf8");
  // A cut in the middle of a character ends in one replacement character, which is still text.
  return text.slice(0, -1).includes("\uFFFD") ? undefined : text;
}
