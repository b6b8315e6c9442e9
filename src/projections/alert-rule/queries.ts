import type { Filter } from "mongodb";
import type { Generations } from "../generations.js";
import type { Page, PageRequest } from "../page.js";
import { findPage } from "../page.js";
import type { AlertRuleDocument } from "./document.js";

export interface AlertRuleQuery {
  readonly enabled?: boolean;
  readonly metric?: string;
}

export interface AlertRuleQueries {
  find(tenantId: string, ruleId: string): Promise<AlertRuleDocument | undefined>;
  findMany(tenantId: string, ruleIds: readonly string[]): Promise<readonly (AlertRuleDocument | undefined)[]>;
  page(tenantId: string, query: AlertRuleQuery, page: PageRequest): Promise<Page<AlertRuleDocument>>;
  count(tenantId: string, query: AlertRuleQuery): Promise<number>;
  /** The enabled rules of all tenants: what the processor judges by. */
  allEnabled(): Promise<readonly AlertRuleDocument[]>;
}

export function createAlertRuleQueries(generations: Generations): AlertRuleQueries {
  const collection = () => generations.current<AlertRuleDocument>("alert_rules");
  return {
    async find(tenantId, ruleId) {
      return (await (await collection()).findOne({ _id: ruleId, tenantId } as Filter<AlertRuleDocument>)) ?? undefined;
    },
    async findMany(tenantId, ruleIds) {
      const filter = { _id: { $in: ruleIds }, tenantId } as unknown as Filter<AlertRuleDocument>;
      const found = await (await collection()).find(filter).toArray();
      const byId = new Map(found.map((document) => [document._id, document]));
      return ruleIds.map((id) => byId.get(id));
    },
    async page(tenantId, query, page) {
      return findPage(await collection(), filterOf(tenantId, query), page);
    },
    async count(tenantId, query) {
      return (await collection()).countDocuments(filterOf(tenantId, query));
    },
    async allEnabled() {
      return (await collection()).find({ enabled: true }).toArray();
    },
  };
}

function filterOf(
  tenantId: string,
  { enabled, metric }: AlertRuleQuery,
): Filter<AlertRuleDocument> & { readonly tenantId: string } {
  return {
    tenantId,
    ...(enabled === undefined ? {} : { enabled }),
    ...(metric === undefined ? {} : { "condition.metric": metric }),
  } as Filter<AlertRuleDocument> & { readonly tenantId: string };
}
