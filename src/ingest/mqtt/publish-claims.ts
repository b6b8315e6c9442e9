/** What a PUBLISH of MQTT 5 says of itself beside its topic, held against its payload and its sender. */
import { formatOfContentType, knownContentTypes } from "../codecs/format.js";
import type { Format } from "../codecs/format.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Outcome } from "../ingest.js";
import { quoted, refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import { isTextPayload } from "./packets.js";
import type { PublishProperties } from "./properties.js";

/** The form that the payload is in, `undefined` when that is not said; or why the message is not taken. */
export function checkClaims(
  properties: PublishProperties | undefined,
  payload: Buffer,
  { tenantId, deviceId }: DeviceAccess,
): { readonly format: Format | undefined } | Refusal {
  if (properties === undefined) return { format: undefined };
  const { contentType, payloadIsText, responseTopic } = properties;
  const format = formatOfContentType(contentType);
  if (format === "unsupported") {
    return refusal("UNSUPPORTED_FORMAT", `content type ${quoted(contentType)}: send ${knownContentTypes.join(", ")}`);
  }
  if (payloadIsText && !isTextPayload(payload)) {
    return refusal("MALFORMED_PAYLOAD", "the payload format indicator says UTF-8, and the payload is none");
  }
  const own = `v1/${tenantId}/${deviceId}/`;
  if (responseTopic !== undefined && !responseTopic.startsWith(own)) {
    return refusal("TOPIC_NOT_ALLOWED", `the response topic is not below ${own}, where this device may subscribe`);
  }
  return { format };
}

/** What the response to a PUBLISH with a response topic says (docs/reference/mqtt.md). */
export function responseTo(outcome: Outcome): string {
  switch (outcome.kind) {
    case "stored":
      return JSON.stringify({ stored: outcome.readings });
    case "refused":
      return JSON.stringify({ error: { code: outcome.refusal.code, message: outcome.refusal.message } });
    case "failed":
      return JSON.stringify({ error: { code: outcome.error.code, message: outcome.error.message } });
  }
}
