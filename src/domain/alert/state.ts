import type { AlertEvent } from "./events.js";

export type AlertStatus = "ACTIVE" | "ACKNOWLEDGED" | "RESOLVED";

export interface AlertState {
  readonly status: AlertStatus | "ABSENT";
}

export const initialState: AlertState = { status: "ABSENT" };

export function evolve(_state: AlertState, event: AlertEvent): AlertState {
  switch (event.type) {
    case "AlertRaised":
      return { status: "ACTIVE" };
    case "AlertAcknowledged":
      return { status: "ACKNOWLEDGED" };
    case "AlertResolved":
      return { status: "RESOLVED" };
  }
}
