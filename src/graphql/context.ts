import type DataLoader from "dataloader";
import { PLATFORM } from "../commands/index.js";
import type { Actor } from "../commands/index.js";
import type { TenantId } from "../domain/ids.js";
import { FleetlogError } from "../platform/errors.js";
import type { AlertRuleDocument, DeviceDocument } from "../projections/index.js";
import type { ChangeFeed } from "./change-feed.js";

export type UserActor = Extract<Actor, { readonly kind: "user" }>;

/** Who is asking, and until when (milliseconds since the epoch) they may. */
export interface Session {
  readonly actor: UserActor;
  readonly expiresAt: number;
}

/** One batch of each a tick, for the whole page, where each entry alone would ask once. */
export interface Loaders {
  readonly lastSeen: DataLoader<string, Date | undefined>;
  readonly device: DataLoader<string, DeviceDocument | undefined>;
  readonly alertRule: DataLoader<string, AlertRuleDocument | undefined>;
}

/** One for each operation. There is none without a session: nobody asks anything anonymously. */
export interface GraphqlContext extends Session {
  readonly correlationId: string;
  readonly loaders: Loaders;
  readonly feed: ChangeFeed;
}

/**
 * The tenant of the one who asks: the only tenant that any field ever reads or changes.
 * Throws FORBIDDEN for a platform token, which sees no tenant's data.
 */
export function tenantOf({ actor }: Session): TenantId {
  if (actor.tenantId === PLATFORM) {
    throw new FleetlogError("FORBIDDEN", "a platform token sees no tenant's data: use a token of that tenant");
  }
  return actor.tenantId;
}
