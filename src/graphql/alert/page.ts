import type { TenantId } from "../../domain/ids.js";
import type { AlertDocument, AlertQuery, ReadModels } from "../../projections/index.js";
import type { Connection, PageArgs, SortDirection } from "../connection.js";
import { connectionOf, pageRequest } from "../connection.js";
import { alertSortFields } from "./enums.js";

/** Alerts by the time they were triggered: the tenant's, or one device's. */
export async function alertPage(
  { alerts }: Pick<ReadModels, "alerts">,
  tenantId: TenantId,
  query: AlertQuery,
  direction: SortDirection,
  page: PageArgs,
): Promise<Connection<AlertDocument>> {
  const order = { field: alertSortFields.TRIGGERED_AT, descending: direction === "DESC" };
  const found = await alerts.page(tenantId, query, pageRequest(page, order));
  return connectionOf(found, page, () => alerts.count(tenantId, query));
}
