import { parseStreamName } from "./stream.js";
import type { EventMetadata, Recorded } from "./event.js";

/** An event as integrators and auditors see it: everything but the hashes of credentials, which are nobody's business. */
export interface PublicEvent {
  readonly id: string;
  readonly type: string;
  readonly tenantId: string;
  readonly aggregate: { readonly category: string; readonly id: string };
  /** The event's number in its aggregate's history, from 0. */
  readonly revision: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly metadata: EventMetadata;
}

export function toPublicEvent(event: Recorded): PublicEvent {
  const stream = parseStreamName(event.streamId);
  if (stream === undefined) throw new Error(`${event.streamId} is not a stream of ours`);
  const { category, tenantId, id } = stream;
  return {
    id: event.id,
    type: event.type,
    tenantId,
    aggregate: { category, id },
    revision: event.revision,
    data: publicData(event),
    metadata: event.metadata,
  };
}

function publicData(event: Recorded): Readonly<Record<string, unknown>> {
  if (event.type !== "CredentialIssued") return { ...event.data };
  const { hash: _hash, ...rest } = event.data;
  return rest;
}
