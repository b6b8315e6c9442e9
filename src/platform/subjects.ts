/**
 * Every NATS subject and JetStream stream, in one place. Two kinds:
 * - `fleetlog.{tenant}.…` is public: integrators rely on it (docs/reference/subjects.md);
 * - `fleetlog-….…` is ours: no tenant's token can match it, because its first token differs.
 * Tenant and device ids hold no ".", "*" or ">" (see domain/ids.ts), so a subject cannot be crossed by naming.
 */
export const subjects = {
  /** Public, core NATS: each reading, after it is stored in JetStream. */
  telemetry: (tenant: string, device: string) => `fleetlog.${tenant}.telemetry.${device}`,
  /** Public, kept in the stream `FLEETLOG_EVENTS`: each domain event, in order. `id` is the aggregate's. */
  event: (tenant: string, eventType: string, id: string) => `fleetlog.${tenant}.events.${eventType}.${id}`,
  /** Public, kept in `FLEETLOG_EVENTS`: the alert as it stands after each change. */
  alert: (tenant: string, severity: string, device: string) => `fleetlog.${tenant}.alerts.${severity}.${device}`,
  /** Public: readings come in here; a request is answered once they are stored. */
  ingest: (tenant: string, device: string) => `fleetlog.${tenant}.ingest.${device}`,

  /** Frames of enriched readings, kept in `FLEETLOG_FRAMES` until every consumer is done with them. */
  frames: (partition: number) => `fleetlog-frames.${partition}`,
  /** What devices say of themselves (`config`, `health`, `presence`), kept in `FLEETLOG_REPORTS` until it is acted upon. */
  report: (kind: "config" | "health" | "presence", tenant: string, device: string) =>
    `fleetlog-reports.${kind}.${tenant}.${device}`,
  /** Refused messages with their reasons, kept in `FLEETLOG_REJECTIONS`, bounded per device. */
  rejection: (tenant: string, device: string) => `fleetlog-rejections.${tenant}.${device}`,
  /** How many more were refused than are kept: counts by device, door and code, in the same stream. */
  rejectionCounts: (tenant: string) => `fleetlog-rejections.${tenant}`,
  /** What each tenant has used in this hour, as each process with doors counts it, kept in `FLEETLOG_USAGE` until it is recorded. */
  usage: "fleetlog-usage",
  /** Closed minutes that got late readings, kept in `FLEETLOG_LATE` until their rollups are corrected. */
  lateWindows: "fleetlog-late.windows",
  /** An MQTT session, kept in `FLEETLOG_SESSIONS`, the newest record alone. `client` is made from the client id. */
  session: (tenant: string, device: string, client: string) => `fleetlog-sessions.${tenant}.${device}.${client}`,
  /** Core NATS: a client has logged in at a gateway; the others end its older connections. */
  loggedIn: "fleetlog-internal.logged-in",
  /** Core NATS, every few seconds: the devices that a gateway holds, with when each was last heard. */
  seen: "fleetlog-internal.seen",
  /** Core NATS: a read model's document after a write: `{entity, id, document}`. What subscriptions and caches live on. */
  changed: (entity: "device" | "device-type" | "alert" | "alert-rule" | "tenant", tenant: string, id: string) =>
    `fleetlog-internal.changed.${entity}.${tenant}.${id}`,
  /** Core NATS: `{projection, commit}` after every batch that a projection has written. */
  shown: (projection: string) => `fleetlog-internal.shown.${projection}`,
  /** Core NATS request: rebuild the projection named in the payload. */
  rebuild: "fleetlog-internal.rebuild",
} as const;

export const streams = {
  frames: "FLEETLOG_FRAMES",
  reports: "FLEETLOG_REPORTS",
  rejections: "FLEETLOG_REJECTIONS",
  sessions: "FLEETLOG_SESSIONS",
  events: "FLEETLOG_EVENTS",
  lateWindows: "FLEETLOG_LATE",
  usage: "FLEETLOG_USAGE",
} as const;

/** The durable consumer of the late windows: ingest makes it, the rollups read it. */
export const lateConsumer = "rollup";

/** The durable consumer of the reports: ingest makes it, the workflows read it. */
export const reportConsumer = "workflows";

/** The durable consumer of what tenants use: ingest makes it, its keeper reads it. */
export const usageConsumer = "usage-keeper";
