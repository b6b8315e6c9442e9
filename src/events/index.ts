export { isEventType } from "./event.js";
export type { EventEnvelope, EventMetadata, FleetlogEvent, LogPosition, Recorded } from "./event.js";
export { categories, parseStreamName, streamName } from "./stream.js";
export type { Category, StreamName } from "./stream.js";
export { decodeEvent, encodeEvent } from "./codec.js";
export { toPublicEvent } from "./public.js";
export type { PublicEvent } from "./public.js";
export { schemaVersionOf } from "./upcasters.js";
export { lastRevision, readAggregateEvents, readNewestFirst, readWhileWanted } from "./read.js";
