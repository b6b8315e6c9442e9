import type { AlertEvent } from "../../domain/alert/index.js";
import { never } from "../../domain/decider.js";
import type { Recorded } from "../../events/index.js";
import type { Projection } from "../projection.js";
import type { AlertDocument } from "./document.js";

export function evolveAlert(document: AlertDocument | undefined, event: Recorded<AlertEvent>): AlertDocument {
  const { occurredAt } = event.metadata;
  const shown = { revision: event.revision, updatedAt: occurredAt };
  if (event.type === "AlertRaised") {
    return { ...event.data, ...shown, _id: event.data.alertId, status: "ACTIVE", raisedAt: occurredAt };
  }
  if (document === undefined) throw new Error("the stream does not begin with AlertRaised");
  switch (event.type) {
    case "AlertAcknowledged": {
      const { by, note } = event.data;
      return {
        ...document,
        ...shown,
        status: "ACKNOWLEDGED",
        acknowledgedAt: occurredAt,
        acknowledgedBy: by,
        ...(note === undefined ? {} : { acknowledgeNote: note }),
      };
    }
    case "AlertResolved": {
      const { resolvedAt, ...resolution } = event.data;
      return { ...document, ...shown, status: "RESOLVED", resolvedAt, resolution };
    }
    default:
      return never(event);
  }
}

export const alertProjection: Projection = {
  name: "alerts",
  entity: "alert",
  category: "alert",
  indexes: [
    { key: { tenantId: 1, triggeredAt: 1, _id: 1 }, name: "by_triggered" },
    { key: { tenantId: 1, status: 1, triggeredAt: 1, _id: 1 }, name: "by_status" },
    { key: { tenantId: 1, deviceId: 1, triggeredAt: 1, _id: 1 }, name: "by_device" },
    { key: { tenantId: 1, ruleId: 1, triggeredAt: 1, _id: 1 }, name: "by_rule" },
    { key: { tenantId: 1, severity: 1, triggeredAt: 1, _id: 1 }, name: "by_severity" },
  ],
  documentId: (event) => event.streamId.slice(event.streamId.indexOf(".") + 1),
  evolve: (document, event) => evolveAlert(document as AlertDocument | undefined, event as Recorded<AlertEvent>),
};
