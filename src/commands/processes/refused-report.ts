import { MongoError } from "mongodb";
import { NatsError } from "nats";
import type { JsMsg } from "nats";
import { encodeRejection } from "../../ingest/index.js";
import type { UpTopic } from "../../ingest/index.js";
import { isFleetlogError, messageOf } from "../../platform/errors.js";
import { derivedId } from "../../platform/ids.js";

const RETRIED: ReadonlySet<string> = new Set(["UNAVAILABLE", "CONFLICT", "LIMIT_EXCEEDED"]);

/** Whether another try may find the engine back; everything else would be refused again. */
export function isTransient(error: unknown): boolean {
  if (isFleetlogError(error)) return RETRIED.has(error.code);
  return error instanceof MongoError || error instanceof NatsError;
}

/** The topic that brings such a report, for those that a device sends itself. */
const topics: Readonly<Record<string, UpTopic>> = { config: "config/reported", health: "health" };

/** Into the ledger, as what the doors refuse. Its id is the report's own: given again after a crash, it is kept once. */
export function rejectionOf(error: unknown, message: JsMsg): { readonly id: string; readonly data: Uint8Array } {
  const { subject, seq } = message;
  const id = derivedId("rejection", subject, seq, message.info.timestampNanos);
  const topic = topics[subject.split(".")[1] ?? ""];
  const { at, payload } = bodyOf(message);
  const data = encodeRejection({
    id,
    door: "reports",
    why: { code: isFleetlogError(error) ? error.code : "MALFORMED_PAYLOAD", message: messageOf(error) },
    topic: subject,
    payload,
    at,
    form: topic === undefined ? undefined : { as: "message", topic },
  });
  return { id, data };
}

/** The report as the device sent it: the door has put its time of arrival in. */
function bodyOf(message: JsMsg): { readonly at: number; readonly payload: Buffer } {
  try {
    const { at, ...body } = message.json<{ readonly at?: number }>();
    if (typeof at === "number") return { at, payload: Buffer.from(JSON.stringify(body)) };
  } catch {
    // Kept as it is; why it was refused says more.
  }
  return { at: Date.now(), payload: Buffer.from(message.data) };
}
