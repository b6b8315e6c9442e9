import type { RecordedEvent } from "@eventstore/db-client";

/** An event as EventStoreDB gives it back: its data and metadata have been text meanwhile. */
export function recorded(
  event: { readonly type: string; readonly data: unknown; readonly metadata?: unknown },
  changes: Readonly<{ [Field in keyof RecordedEvent]?: unknown }> = {},
): RecordedEvent {
  const { type, data, metadata } = JSON.parse(JSON.stringify(event)) as typeof event;
  return {
    streamId: "device-acme.press-1",
    id: "0192f0c1-2222-7abc-8def-000000000001",
    isJson: true,
    revision: 4n,
    created: new Date("2026-01-15T12:00:00.000Z"),
    position: { commit: 700n, prepare: 700n },
    type,
    data,
    metadata,
    ...changes,
  } as RecordedEvent;
}
