/** The operator of the demo: acknowledges what is critical, as a person at a front end would, only sooner. */
import type { SeenAlert } from "./alert-feed.js";
import { GraphqlRefusal } from "./graphql-client.js";
import type { GraphqlClient } from "./graphql-client.js";
import { messageOf } from "../platform/errors.js";

export interface Operator {
  readonly acknowledged: number;
  raised(alert: SeenAlert): void;
  /** Waits for what is under way. */
  done(): Promise<void>;
}

export function operate(client: GraphqlClient, say: (line: string) => void): Operator {
  let acknowledged = 0;
  const underWay = new Set<Promise<void>>();

  async function acknowledge({ alertId, deviceId }: SeenAlert): Promise<void> {
    try {
      await client.ask(`mutation ($input: AlertInput!) { acknowledgeAlert(input: $input) { shown } }`, {
        input: { alertId, note: "seen by the demo's operator" },
      });
      acknowledged += 1;
    } catch (error) {
      // At the demo's clock an alert may be over before anyone can look at it.
      if (error instanceof GraphqlRefusal && error.code === "ILLEGAL_TRANSITION") return;
      say(`  the alert of ${deviceId} could not be acknowledged: ${messageOf(error)}`);
    }
  }

  return {
    get acknowledged() {
      return acknowledged;
    },
    raised(alert) {
      if (alert.severity !== "CRITICAL" || alert.status !== "ACTIVE") return;
      const task = acknowledge(alert).finally(() => underWay.delete(task));
      underWay.add(task);
    },
    async done() {
      await Promise.all(underWay);
    },
  };
}
