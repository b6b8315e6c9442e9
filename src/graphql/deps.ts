import type { EventStoreDBClient } from "@eventstore/db-client";
import type { NatsConnection } from "nats";
import type { Commands } from "../commands/index.js";
import type {
  QualityQueries,
  RejectionQueries,
  RejectionReplay,
  RetentionPreview,
  TelemetryQueries,
  UsageQueries,
} from "../ingest/index.js";
import type { Logger } from "../platform/logger.js";
import type { Registry } from "../platform/metrics.js";
import type { ReadModels, RebuildDocument, Rebuilds, ShownWaiter } from "../projections/index.js";
import type { Session } from "./context.js";

/** What the API stands on. It decides nothing and keeps nothing: commands decide, read models and engines answer. */
export interface GraphqlDeps {
  readonly commands: Commands;
  readonly readModels: ReadModels;
  readonly shown: Pick<ShownWaiter, "wait">;
  /** Only read: a device's history. */
  readonly eventStore: EventStoreDBClient;
  /** Only listened to: what subscriptions live on. */
  readonly nats: NatsConnection;
  readonly telemetry: Pick<TelemetryQueries, "latest" | "series" | "page">;
  readonly previewRetention: RetentionPreview;
  readonly quality: QualityQueries;
  readonly usage: UsageQueries;
  readonly rejections: Pick<RejectionQueries, "page" | "count" | "counts"> & RejectionReplay;
  /** When each device was last heard, in the order asked; undefined for one that never was. */
  readonly lastSeen: (tenantId: string, deviceIds: readonly string[]) => Promise<readonly (Date | undefined)[]>;
  /** Begins a rebuild of the read model of that name beside the live one. Throws for a name that is none. */
  readonly rebuildProjection: (name: string) => Promise<RebuildDocument>;
  readonly rebuilds: Pick<Rebuilds, "all">;
  /** Throws UNAUTHENTICATED for a token that is none of ours, or has ended. */
  readonly authenticate: (token: string) => Promise<Session>;
  readonly logger: Logger;
  readonly metrics: Registry;
}
