/** Alerts as a front end hears of them: a GraphQL subscription over a WebSocket, reconnected when it is lost. */
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import { messageOf } from "../platform/errors.js";
import type { Running } from "../platform/lifecycle.js";

export interface SeenAlert {
  readonly alertId: string;
  readonly ruleId: string;
  readonly deviceId: string;
  readonly severity: "LOW" | "MEDIUM" | "HIGH" | "CRITICAL";
  readonly status: "ACTIVE" | "ACKNOWLEDGED" | "RESOLVED";
  readonly message: string;
  readonly value: number;
  /** Device time, ISO 8601. */
  readonly since: string;
  readonly triggeredAt: string;
  /** The platform's time of its judgement, ISO 8601. */
  readonly raisedAt: string;
}

const subscription = `subscription {
  alertChanged { alertId ruleId deviceId severity status message value since triggeredAt raisedAt }
}`;

export interface AlertFeedOptions {
  readonly httpUrl: string;
  readonly token: string;
  readonly onAlert: (alert: SeenAlert) => void;
  /** The feed has ended and will not come back by itself: what it says is for people. */
  readonly onLost: (reason: string) => void;
}

/** Resolves once the server has taken the log-in, so that nothing raised afterwards is missed. Rejects when it is refused. */
export function followAlerts({ httpUrl, token, onAlert, onLost }: AlertFeedOptions): Promise<Running> {
  return new Promise((resolve, reject) => {
    const client = createClient({
      url: `${httpUrl.replace(/^http/u, "ws")}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
      lazy: false,
      retryAttempts: 10,
      onNonLazyError: (error) => {
        onLost(messageOf(error));
        reject(new Error(`the subscription was refused: ${messageOf(error)}`));
      },
    });
    const stop = (): Promise<void> => Promise.resolve(client.dispose());
    client.subscribe<{ readonly alertChanged: SeenAlert }>(
      { query: subscription },
      {
        next: ({ data, errors }) => {
          if (data !== undefined && data !== null) onAlert(data.alertChanged);
          else onLost(errors?.[0]?.message ?? "an event without data");
        },
        error: (error) => onLost(reasonOf(error)),
        complete: () => {},
      },
    );
    client.on("connected", () => resolve({ stop }));
  });
}

function reasonOf(error: unknown): string {
  if (Array.isArray(error)) return error.map(messageOf).join("; ");
  if (typeof error === "object" && error !== null && "reason" in error) return String(error.reason);
  return messageOf(error);
}
