import type { ErrorCode } from "../platform/errors.js";
import type { Door } from "./counters.js";
import type { Refusal } from "./pipeline/refusal.js";

/** A refused message, as FLEETLOG_REJECTIONS keeps it (JSON). */
export interface Rejection {
  /** Ms since the epoch. */
  readonly at: number;
  readonly door: Door;
  readonly code: ErrorCode;
  readonly reason: string;
  /** The MQTT topic, the HTTP path or the NATS subject. */
  readonly topic: string;
  /** The payload's first 4 KiB, as text where it is UTF-8. */
  readonly payload: string;
  readonly encoding: "utf8" | "base64";
  /** Of the whole payload. */
  readonly bytes: number;
}

const KEPT_BYTES = 4 * 1024;

export function encodeRejection(door: Door, why: Refusal, topic: string, payload: Buffer, at: number): Uint8Array {
  const head = payload.subarray(0, KEPT_BYTES);
  const text = head.toString("utf8");
  // A cut in the middle of a character ends in one replacement character, which is still text.
  const isText = !text.slice(0, -1).includes("\uFFFD");
  const rejection: Rejection = {
    at,
    door,
    code: why.code,
    reason: why.message,
    topic: topic.slice(0, 512),
    payload: isText ? text : head.toString("base64"),
    encoding: isText ? "utf8" : "base64",
    bytes: payload.length,
  };
  return Buffer.from(JSON.stringify(rejection));
}
