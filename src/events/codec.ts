import { jsonEvent } from "@eventstore/db-client";
import type { JSONEventData, RecordedEvent } from "@eventstore/db-client";
import { isEventType } from "./event.js";
import type { EventMetadata, FleetlogEvent, Recorded } from "./event.js";
import { parseStreamName } from "./stream.js";
import { upcast } from "./upcasters.js";

/** The one place where events become what EventStoreDB stores, and come back. */
export function encodeEvent(id: string, event: FleetlogEvent, metadata: EventMetadata): JSONEventData {
  return jsonEvent({ id, type: event.type, data: event.data as Record<string, unknown>, metadata: { ...metadata } });
}

/**
 * Gives an event its newest shape. Undefined for what is not ours: system events, and events that
 * another program wrote into the same log: ours stand in a stream of ours and say their schema version.
 * Throws where one of ours cannot be read: that is damage, or the work of a newer Fleetlog, and never noise to skip.
 */
export function decodeEvent(recorded: RecordedEvent): Recorded | undefined {
  const metadata = recorded.metadata as Partial<EventMetadata> | undefined;
  if (recorded.type.startsWith("$") || !recorded.isJson || metadata?.schemaVersion === undefined) return undefined;
  if (parseStreamName(recorded.streamId) === undefined) return undefined;
  if (recorded.position === undefined) {
    throw new Error(`event ${recorded.id} came without its log position: EventStoreDB 22.6 or newer is needed`);
  }
  const { type, data } = upcast(recorded.type, metadata.schemaVersion, recorded.data);
  if (!isEventType(type)) {
    throw new Error(
      `event ${recorded.id} in ${recorded.streamId} is a ${type}, which this Fleetlog does not know: a newer one wrote it, so update this one`,
    );
  }
  return {
    type,
    data,
    id: recorded.id,
    streamId: recorded.streamId,
    revision: Number(recorded.revision),
    position: recorded.position,
    metadata,
  } as Recorded;
}
