import type { AlertRaised, AlertResolved, AlertStatus } from "../../domain/alert/index.js";
import type { ReadModelDocument } from "../document.js";

type Raised = AlertRaised["data"];

/** `_id` is the alert's id. */
export interface AlertDocument extends ReadModelDocument, Raised {
  readonly tenantId: Raised["tenantId"];
  readonly status: AlertStatus;
  /** When the platform recorded it, as opposed to `triggeredAt`, the device's time. */
  readonly raisedAt: string;
  readonly acknowledgedAt?: string;
  readonly acknowledgedBy?: string;
  readonly acknowledgeNote?: string;
  readonly resolvedAt?: string;
  readonly resolution?: Omit<AlertResolved["data"], "resolvedAt">;
  readonly updatedAt: string;
}
