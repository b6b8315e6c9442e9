import { MongoError } from "mongodb";
import { NatsError } from "nats";
import type { JsMsg } from "nats";
import { isFleetlogError, messageOf } from "../../platform/errors.js";

const RETRIED: ReadonlySet<string> = new Set(["UNAVAILABLE", "CONFLICT", "LIMIT_EXCEEDED"]);
const KEPT_BYTES = 4 * 1024;

/** Whether another try may find the engine back; everything else would be refused again. */
export function isTransient(error: unknown): boolean {
  if (isFleetlogError(error)) return RETRIED.has(error.code);
  return error instanceof MongoError || error instanceof NatsError;
}

/** As FLEETLOG_REJECTIONS keeps refused messages of every door (JSON); `topic` is the subject that brought it. */
export function rejectionOf(error: unknown, message: JsMsg): Uint8Array {
  const { data, subject } = message;
  return Buffer.from(
    JSON.stringify({
      at: Date.now(),
      door: "reports",
      code: isFleetlogError(error) ? error.code : "MALFORMED_PAYLOAD",
      reason: messageOf(error).slice(0, 1_024),
      topic: subject,
      // The doors let in JSON only.
      payload: Buffer.from(data.subarray(0, KEPT_BYTES)).toString("utf8"),
      encoding: "utf8",
      bytes: data.length,
    }),
  );
}
