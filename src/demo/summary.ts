/** What the demo says at its end: an account for people, and the same as one JSON object. */
import type { Stored } from "./account.js";
import type { SeenAlert } from "./alert-feed.js";
import type { AlertLog } from "./alert-log.js";
import type { SimulatedDevice } from "./device.js";
import { findingsOf, outside } from "./findings.js";
import type { Finding } from "./findings.js";
import type { Latencies } from "./latencies.js";
import type { Span } from "./recordings.js";
import { count, minute } from "./report.js";

export interface Measured {
  readonly devices: readonly SimulatedDevice[];
  readonly sendingMs: number;
  readonly stored: Stored;
  readonly events: number;
  readonly log: AlertLog;
  /** Alerts that the API shows and the subscriber has not heard of. */
  readonly missed: number;
  readonly acknowledgedAlerts: number;
  readonly ackLatencies: Latencies;
  readonly alertLatencies: Latencies;
  /** Of the machine, in device time; the last one is the failure. */
  readonly anomalies: readonly Span[];
  readonly machineAlerts: readonly SeenAlert[];
  /** Device time of the machine's newest reading, ms since the epoch. */
  readonly machineUntil: number;
  /** False when it was ended before all was sent. */
  readonly playedWhole: boolean;
}

export interface Summary {
  readonly ok: boolean;
  /** For people. */
  readonly lines: readonly string[];
  readonly json: Readonly<Record<string, unknown>>;
}

export function summarize(measured: Measured): Summary {
  const { devices, stored, events, log, missed, ackLatencies, alertLatencies, anomalies, playedWhole } = measured;
  const sum = (of: (device: SimulatedDevice) => number): number =>
    devices.reduce((total, device) => total + of(device), 0);
  const findings = findingsOf(anomalies, measured.machineAlerts);
  const failure = findings.at(-1);
  const found = failure?.alert !== undefined;
  const json = {
    ok: stored.lost === 0 && missed === 0 && (found || !playedWhole),
    devices: devices.length,
    seconds: rounded(measured.sendingMs / 1_000, 1),
    sent: sum((device) => device.sent),
    acknowledged: sum((device) => device.acknowledged),
    refused: sum((device) => device.refused),
    stored: stored.stored,
    lost: stored.lost,
    acked_per_s: Math.round(sum((device) => device.acknowledged) / (measured.sendingMs / 1_000)),
    p50_ack_ms: ackLatencies.percentile(50),
    p99_ack_ms: ackLatencies.percentile(99),
    alerts: {
      raised: log.raised,
      resolved: log.resolved,
      acknowledged: measured.acknowledgedAlerts,
      missed,
      p50_ms: alertLatencies.percentile(50),
      p99_ms: alertLatencies.percentile(99),
    },
    events,
    failure_found: found,
    hours_before_failure: failure?.hoursAhead === undefined ? null : rounded(failure.hoursAhead, 1),
    false_alarms: outside(anomalies, measured.machineAlerts),
  };
  const { alerts } = json;
  return {
    ok: json.ok,
    json,
    lines: [
      "",
      "The account",
      `  sent            ${count(json.sent)} readings from ${json.devices} devices in ${json.seconds} s`,
      `  acknowledged    ${count(json.acknowledged)} (p50 ${ms(json.p50_ack_ms)}, p99 ${ms(json.p99_ack_ms)})${json.refused > 0 ? `, ${count(json.refused)} refused` : ""}`,
      `  stored          ${count(json.stored)}, counted in InfluxDB through GraphQL`,
      `  lost            ${count(json.lost)}`,
      `  alerts          ${alerts.raised} raised, ${alerts.resolved} resolved, ${alerts.acknowledged} acknowledged, ${missed} missed by the subscriber`,
      `  alert latency   p50 ${ms(alerts.p50_ms)}, p99 ${ms(alerts.p99_ms)}, from the device's publish to the GraphQL subscriber`,
      `  history         ${count(events)} events`,
      `What is known of the machine, and what its alerts said`,
      ...findings.map(
        (finding, index) => `  ${findingLine(finding, index === findings.length - 1, measured.machineUntil)}`,
      ),
      `  ${json.false_alarms} of ${measured.machineAlerts.length} alerts of the machine lie outside every recorded anomaly`,
      `The real failure found: ${found ? `yes, ${hours(failure.hoursAhead ?? 0)}` : playedWhole ? "no" : "not yet: it was ended before the recording was over"}`,
    ],
  };
}

function findingLine({ span, alert, hoursIn }: Finding, isFailure: boolean, until: number): string {
  const what = `${isFailure ? "failure" : "anomaly"} from ${minute(span.from)} to ${minute(span.to)}`;
  if (span.from > until) return `${what}: not replayed`;
  if (alert === undefined || hoursIn === undefined) return `${what}: no alert`;
  return `${what}: ${alert.severity} alert ${hoursIn.toFixed(1)} h in, at ${minute(alert.triggeredAt)}`;
}

function hours(ahead: number): string {
  return `${Math.abs(ahead).toFixed(1)} h ${ahead >= 0 ? "before" : "after"} the moment that its recorders call the failure`;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function ms(value: number | undefined): string {
  return value === undefined ? "–" : `${value.toFixed(1)} ms`;
}
