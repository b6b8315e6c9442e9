import DataLoader from "dataloader";
import type { Loaders, Session } from "./context.js";
import { tenantOf } from "./context.js";
import type { GraphqlDeps } from "./deps.js";

export interface LoaderOptions {
  /** Whether what was asked once is remembered: for a query, which is over at once, and not for a subscription, whose events each show the world anew. */
  readonly cache: boolean;
}

/** No batch asks for more at once: as many as the longest page has entries. */
const MAX_BATCH = 500;

export function createLoaders(
  { readModels, lastSeen }: Pick<GraphqlDeps, "readModels" | "lastSeen">,
  session: Session,
  { cache }: LoaderOptions,
): Loaders {
  const options = { maxBatchSize: MAX_BATCH, cache };
  return {
    lastSeen: new DataLoader((ids) => lastSeen(tenantOf(session), ids), options),
    device: new DataLoader((ids) => readModels.devices.findMany(tenantOf(session), ids), options),
    alertRule: new DataLoader((ids) => readModels.alertRules.findMany(tenantOf(session), ids), options),
  };
}
