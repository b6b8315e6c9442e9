import { DiscardPolicy, RetentionPolicy, StorageType, nanos } from "nats";
import type { JetStreamClient, JetStreamManager, NatsConnection } from "nats";
import type { AlertEvent } from "../../domain/alert/index.js";
import { parseStreamName, toPublicEvent } from "../../events/index.js";
import type { Recorded } from "../../events/index.js";
import { streams, subjects } from "../../platform/subjects.js";
import type { AlertDocument } from "../alert/document.js";
import { evolveAlert } from "../alert/projection.js";

const DAY_MS = 24 * 3600 * 1000;

/**
 * Where integrators replay from: a month, at most a gigabyte. It is a window on the history, which EventStoreDB
 * keeps whole; the oldest makes room for the newest.
 */
export async function ensureEventsStream(manager: JetStreamManager): Promise<void> {
  const config = {
    name: streams.events,
    subjects: [subjects.event("*", "*", "*"), subjects.alert("*", "*", "*")],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(30 * DAY_MS),
    max_bytes: 1024 ** 3,
    // A batch that is published again after a crash is recognized by its message ids within this time.
    duplicate_window: nanos(10 * 60 * 1000),
  };
  try {
    await manager.streams.update(config.name, config);
  } catch {
    await manager.streams.add(config);
  }
}

/** Publishes a batch of events, and alerts as they stand after theirs, in log order; resolves once JetStream has stored them all. */
export async function publishEvents(
  nats: NatsConnection,
  events: readonly Recorded[],
  loadAlert: (event: Recorded<AlertEvent>) => Promise<AlertDocument>,
): Promise<void> {
  const jetstream = nats.jetstream();
  const stored: Promise<unknown>[] = [];
  for (const event of events) {
    const stream = parseStreamName(event.streamId);
    if (stream === undefined) continue;
    const { tenantId, id } = stream;
    stored.push(publish(jetstream, subjects.event(tenantId, event.type, id), toPublicEvent(event), event.id));
    if (isAlertEvent(event)) {
      const alert = await loadAlert(event);
      const subject = subjects.alert(tenantId, alert.severity, alert.deviceId);
      stored.push(publish(jetstream, subject, publicAlert(alert), `${event.id}-alert`));
    }
  }
  await Promise.all(stored);
}

function publish(jetstream: JetStreamClient, subject: string, body: object, msgID: string): Promise<unknown> {
  return jetstream.publish(subject, JSON.stringify(body), { msgID, timeout: 10_000 });
}

function isAlertEvent(event: Recorded): event is Recorded<AlertEvent> {
  return event.type === "AlertRaised" || event.type === "AlertAcknowledged" || event.type === "AlertResolved";
}

function publicAlert(alert: AlertDocument): object {
  const { _id, revision: _revision, ...shown } = alert;
  return shown;
}

/** The alert as it stood right after an event: its own few events, folded. */
export function foldAlert(events: readonly Recorded<AlertEvent>[]): AlertDocument {
  let alert: AlertDocument | undefined;
  for (const event of events) alert = evolveAlert(alert, event);
  if (alert === undefined) throw new Error("an alert without events");
  return alert;
}
