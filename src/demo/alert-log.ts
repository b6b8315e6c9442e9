/** What the demo's subscriber has heard of alerts, and how soon. */
import type { SeenAlert } from "./alert-feed.js";
import type { Latencies } from "./latencies.js";

export interface HeardAlert extends SeenAlert {
  /** From the device's publish to the subscriber, ms; undefined when the reading's sending is not remembered. */
  readonly latencyMs: number | undefined;
}

export interface AlertLogOptions {
  /** When the reading of that device time was sent, by `performance.now()`. */
  readonly sentAt: (deviceId: string, time: number) => number | undefined;
  readonly latencies: Latencies;
  readonly onRaised: (alert: HeardAlert) => void;
  readonly onResolved: (alert: SeenAlert) => void;
}

/** An alert is raised the first time that it is heard of, in whatever state: one that clears at once may be heard of only then. */
export class AlertLog {
  readonly #alerts = new Map<string, SeenAlert>();
  readonly #options: AlertLogOptions;

  constructor(options: AlertLogOptions) {
    this.#options = options;
  }

  heard(alert: SeenAlert): void {
    const known = this.#alerts.get(alert.alertId);
    this.#alerts.set(alert.alertId, alert);
    if (known === undefined) {
      const { latencies, sentAt, onRaised } = this.#options;
      const at = sentAt(alert.deviceId, Date.parse(alert.triggeredAt));
      const latencyMs = at === undefined ? undefined : performance.now() - at;
      if (latencyMs !== undefined) latencies.record(latencyMs);
      onRaised({ ...alert, latencyMs });
    }
    if (alert.status === "RESOLVED" && known?.status !== "RESOLVED") this.#options.onResolved(alert);
  }

  get raised(): number {
    return this.#alerts.size;
  }

  get resolved(): number {
    return [...this.#alerts.values()].filter(({ status }) => status === "RESOLVED").length;
  }

  of(deviceId: string): readonly SeenAlert[] {
    return [...this.#alerts.values()].filter((alert) => alert.deviceId === deviceId);
  }
}
