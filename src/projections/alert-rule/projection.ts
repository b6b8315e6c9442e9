import { never } from "../../domain/decider.js";
import type { AlertRuleEvent } from "../../domain/alert-rule/index.js";
import type { Recorded } from "../../events/index.js";
import type { Projection } from "../projection.js";
import type { AlertRuleDocument } from "./document.js";

export function evolveAlertRule(
  document: AlertRuleDocument | undefined,
  event: Recorded<AlertRuleEvent>,
): AlertRuleDocument {
  const { occurredAt } = event.metadata;
  const shown = { revision: event.revision, updatedAt: occurredAt };
  if (event.type === "AlertRuleCreated") {
    return { ...event.data, ...shown, _id: event.data.ruleId, enabled: true, createdAt: occurredAt };
  }
  if (document === undefined) throw new Error("the stream does not begin with AlertRuleCreated");
  switch (event.type) {
    case "AlertRuleUpdated":
      return { ...document, ...event.data, ...shown };
    case "AlertRuleEnabled":
      return { ...document, ...shown, enabled: true };
    case "AlertRuleDisabled":
      return { ...document, ...shown, enabled: false };
    default:
      return never(event);
  }
}

export const alertRuleProjection: Projection = {
  name: "alert_rules",
  entity: "alert-rule",
  category: "alertRule",
  indexes: [
    { key: { tenantId: 1, enabled: 1, _id: 1 }, name: "by_enabled" },
    { key: { tenantId: 1, createdAt: 1, _id: 1 }, name: "by_created" },
    { key: { tenantId: 1, name: 1, _id: 1 }, name: "by_name" },
  ],
  documentId: (event) => event.streamId.slice(event.streamId.indexOf(".") + 1),
  evolve: (document, event) =>
    evolveAlertRule(document as AlertRuleDocument | undefined, event as Recorded<AlertRuleEvent>),
};
