/** Holds the alerts of a machine against what is known of it: was the recorded failure found, and how soon? */
import type { SeenAlert } from "./alert-feed.js";
import type { Span } from "./recordings.js";

export interface Finding {
  readonly span: Span;
  /** The first alert that was triggered within the span. */
  readonly alert: SeenAlert | undefined;
  /** Hours from the span's beginning to that alert. */
  readonly hoursIn: number | undefined;
  /** Hours from that alert to the span's middle, where the benchmark's authors put the anomaly itself; negative when it came after. */
  readonly hoursAhead: number | undefined;
}

const HOUR_MS = 3_600_000;

export function findingsOf(spans: readonly Span[], alerts: readonly SeenAlert[]): readonly Finding[] {
  const byTime = alerts.toSorted((a, b) => Date.parse(a.triggeredAt) - Date.parse(b.triggeredAt));
  return spans.map((span) => {
    const alert = byTime.find(({ triggeredAt }) => {
      const at = Date.parse(triggeredAt);
      return at >= span.from && at <= span.to;
    });
    const at = alert === undefined ? undefined : Date.parse(alert.triggeredAt);
    return {
      span,
      alert,
      hoursIn: at === undefined ? undefined : (at - span.from) / HOUR_MS,
      hoursAhead: at === undefined ? undefined : ((span.from + span.to) / 2 - at) / HOUR_MS,
    };
  });
}

/** Alerts outside every span: false alarms, as far as the recording's authors know. */
export function outside(spans: readonly Span[], alerts: readonly SeenAlert[]): number {
  return alerts.filter(({ triggeredAt }) => {
    const at = Date.parse(triggeredAt);
    return !spans.some(({ from, to }) => at >= from && at <= to);
  }).length;
}
