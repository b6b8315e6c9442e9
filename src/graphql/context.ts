import { PLATFORM } from "../commands/index.js";
import type { Actor } from "../commands/index.js";
import type { TenantId } from "../domain/ids.js";
import { FleetlogError } from "../platform/errors.js";
import type { ChangeFeed } from "./change-feed.js";
import type { Loaders } from "./loaders.js";

export type UserActor = Extract<Actor, { readonly kind: "user" }>;

/** Who is asking, and until when (milliseconds since the epoch) they may. */
export interface Session {
  readonly actor: UserActor;
  readonly expiresAt: number;
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
