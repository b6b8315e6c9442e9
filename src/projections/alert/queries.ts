import type { Filter } from "mongodb";
import type { Severity } from "../../domain/alert-rule/index.js";
import type { AlertStatus } from "../../domain/alert/index.js";
import type { Generations } from "../generations.js";
import type { Page, PageRequest } from "../page.js";
import { findPage } from "../page.js";
import type { AlertDocument } from "./document.js";

/** Entries match every field given. Times bound `triggeredAt`, `from` included and `to` not, ISO 8601 UTC. */
export interface AlertQuery {
  readonly statuses?: readonly AlertStatus[];
  readonly severities?: readonly Severity[];
  readonly deviceId?: string;
  readonly ruleId?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface AlertQueries {
  find(tenantId: string, alertId: string): Promise<AlertDocument | undefined>;
  page(tenantId: string, query: AlertQuery, page: PageRequest): Promise<Page<AlertDocument>>;
  count(tenantId: string, query: AlertQuery): Promise<number>;
}

export function createAlertQueries(generations: Generations): AlertQueries {
  const collection = () => generations.current<AlertDocument>("alerts");
  return {
    async find(tenantId, alertId) {
      return (await (await collection()).findOne({ _id: alertId, tenantId } as Filter<AlertDocument>)) ?? undefined;
    },
    async page(tenantId, query, page) {
      return findPage(await collection(), filterOf(tenantId, query), page);
    },
    async count(tenantId, query) {
      return (await collection()).countDocuments(filterOf(tenantId, query));
    },
  };
}

function filterOf(tenantId: string, query: AlertQuery): Filter<AlertDocument> & { readonly tenantId: string } {
  const { statuses, severities, deviceId, ruleId, from, to } = query;
  const triggeredAt = { ...(from === undefined ? {} : { $gte: from }), ...(to === undefined ? {} : { $lt: to }) };
  return {
    tenantId,
    ...(statuses === undefined ? {} : { status: statuses.length === 1 ? statuses[0] : { $in: statuses } }),
    ...(severities === undefined ? {} : { severity: severities.length === 1 ? severities[0] : { $in: severities } }),
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(ruleId === undefined ? {} : { ruleId }),
    ...(Object.keys(triggeredAt).length === 0 ? {} : { triggeredAt }),
  } as Filter<AlertDocument> & { readonly tenantId: string };
}
