import type { EventStoreDBClient } from "@eventstore/db-client";
import type { DeviceEvent } from "../../domain/device/index.js";
import type { DeviceId, TenantId } from "../../domain/ids.js";
import type { Recorded } from "../../events/index.js";
import { lastRevision, readAggregateEvents, readWhileWanted, streamName } from "../../events/index.js";
import { FleetlogError } from "../../platform/errors.js";
import { MAX_PAGE, evolveDevice } from "../../projections/index.js";
import type { DeviceDocument } from "../../projections/index.js";
import type { Connection, PageArgs } from "../connection.js";
import { PageInfo } from "../connection.js";
import { given } from "../given.js";

/** Events looked at for one page: where a filter takes few of many, the page ends here and the next goes on. */
const MAX_SCANNED = 5_000;

/** The events that happened up to `asOf`, folded by the very code that shows the present. Undefined before the device was registered. */
export async function deviceAsOf(
  client: EventStoreDBClient,
  tenantId: TenantId,
  deviceId: DeviceId,
  asOf: Date,
): Promise<DeviceDocument | undefined> {
  let document: DeviceDocument | undefined;
  for await (const event of readWhileWanted(client, streamName("device", tenantId, deviceId))) {
    // The stream's order is the truth: the past is a beginning of it, never a choice of events from it.
    if (Date.parse(event.metadata.occurredAt) > asOf.getTime()) break;
    document = evolveDevice(document, event as Recorded<DeviceEvent>);
  }
  return document;
}

export interface HistoryRange {
  readonly from?: Date;
  readonly to?: Date;
}

/** What an event is to an auditor. */
export interface ShownEvent {
  readonly id: string;
  readonly type: string;
  readonly revision: number;
  readonly occurredAt: string;
  readonly actor: string;
  readonly commandId: string;
  readonly correlationId: string;
  readonly data: unknown;
}

/** A page of a device's history, oldest first; a cursor is the revision. Throws NOT_FOUND where there is no such device. */
export async function deviceHistory(
  client: EventStoreDBClient,
  tenantId: TenantId,
  deviceId: DeviceId,
  range: HistoryRange,
  page: PageArgs,
): Promise<Connection<ShownEvent>> {
  const { first, after } = given(page);
  if (first < 1 || first > MAX_PAGE) {
    throw new FleetlogError("PAGE_TOO_LARGE", `first is ${first}: a page has 1 to ${MAX_PAGE} entries`);
  }
  const stream = streamName("device", tenantId, deviceId);
  const fromRevision = after === undefined ? 0 : revisionOf(after) + 1;
  const found: ShownEvent[] = [];
  let scannedTo: number | undefined;
  let hasNextPage = false;
  // One more than may be scanned: that it is there is what says that the page is not the last.
  for await (const event of readWhileWanted(client, stream, { fromRevision, limit: MAX_SCANNED + 1 })) {
    if (event.revision - fromRevision >= MAX_SCANNED || (found.length === first && inRange(event, range))) {
      hasNextPage = true;
      break;
    }
    scannedTo = event.revision;
    if (inRange(event, range)) found.push(shown(event));
  }
  if (scannedTo === undefined && fromRevision === 0) {
    throw new FleetlogError("NOT_FOUND", `there is no device ${deviceId} in this tenant`);
  }
  const cursors = found.map(({ revision }) => String(revision));
  // Where the scan went further than the last entry, the next page begins where it ended.
  const end = scannedTo === undefined ? {} : { endCursor: String(scannedTo) };
  return {
    edges: found.map((node) => ({ cursor: String(node.revision), node })),
    pageInfo: new PageInfo({ hasNextPage, cursors, after, ...end }),
    count: () => countEvents(client, stream, range),
  };
}

async function countEvents(client: EventStoreDBClient, stream: string, range: HistoryRange): Promise<number> {
  // Revisions count from 0, and a device's history is never cut.
  if (range.from === undefined && range.to === undefined) return ((await lastRevision(client, stream)) ?? -1) + 1;
  let count = 0;
  for await (const event of readAggregateEvents(client, stream)) if (inRange(event, range)) count += 1;
  return count;
}

function inRange({ metadata }: Recorded, { from, to }: HistoryRange): boolean {
  const at = Date.parse(metadata.occurredAt);
  return (from === undefined || at >= from.getTime()) && (to === undefined || at < to.getTime());
}

function shown(event: Recorded): ShownEvent {
  const { id, type, revision, metadata } = event;
  const { occurredAt, actor, commandId, correlationId } = metadata;
  return { id, type, revision, occurredAt, actor, commandId, correlationId, data: withoutSecrets(event) };
}

/** A hash is no key, but whoever has it can try keys against it at home. */
function withoutSecrets(event: Recorded): unknown {
  if (event.type !== "CredentialIssued") return event.data;
  const { hash: _hash, ...rest } = event.data;
  return rest;
}

function revisionOf(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new FleetlogError("BAD_REQUEST", "the cursor is not one that an earlier page gave: start without `after`");
}
