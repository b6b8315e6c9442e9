/** The demo's lines for people. */
import type { Platform } from "../supervisor/index.js";
import type { AlertLog, HeardAlert } from "./alert-log.js";
import type { SimulatedDevice } from "./device.js";
import type { Latencies } from "./latencies.js";

export interface Welcome {
  readonly platform: Platform;
  readonly tenant: string;
  readonly token: string;
  /** One to look at, and one to try things with, with its key. */
  readonly machine: string;
  readonly guest: string;
  readonly key: string;
}

/** Addresses, a token, a key, and lines that one can paste. */
export function welcome({ platform, tenant, token, machine, guest, key }: Welcome): readonly string[] {
  const { httpUrl, mqttUrl, natsUrl } = platform;
  const { hostname, port } = new URL(mqttUrl ?? "mqtt://127.0.0.1");
  return [
    "",
    "Fleetlog is up",
    `  GraphQL    ${httpUrl}/graphql   (subscriptions on the same path)`,
    `  GraphiQL   ${httpUrl}/graphiql`,
    `  MQTT       ${mqttUrl}`,
    `  NATS       ${natsUrl}   e.g. nats sub 'fleetlog.${tenant}.>'`,
    `  tenant     ${tenant}`,
    `  token      ${token}`,
    `  device     ${guest}, key ${key}`,
    "Try it:",
    `  curl -s ${httpUrl}/graphql -H 'authorization: Bearer ${token}' -H 'content-type: application/json' -d '{"query":"{ latestTelemetry(deviceId: \\"${machine}\\") { metric value timestamp } }"}'`,
    `  mosquitto_pub -h ${hostname} -p ${port} -q 1 -u ${tenant}/${guest} -P ${key} -t v1/${tenant}/${guest}/telemetry -m '{"temperature": 120}'   # an alert; 20 resolves it`,
    "",
  ];
}

export function alertLine(alert: HeardAlert, rule: string): string {
  const { severity, deviceId, value, triggeredAt, latencyMs } = alert;
  const soon = latencyMs === undefined ? "" : `, ${latencyMs.toFixed(0)} ms after the device sent it`;
  return `! ${severity.padEnd(8)} ${deviceId}: ${rule} (${value.toFixed(1)} at ${minute(triggeredAt)}${soon})`;
}

export interface Status {
  readonly devices: readonly SimulatedDevice[];
  readonly log: AlertLog;
  readonly ackLatencies: Latencies;
  readonly elapsedMs: number;
}

export function statusLine({ devices, log, ackLatencies, elapsedMs }: Status): string {
  const sum = (of: (device: SimulatedDevice) => number): number =>
    devices.reduce((total, device) => total + of(device), 0);
  const acknowledged = sum((device) => device.acknowledged);
  const seconds = elapsedMs / 1_000;
  return [
    `${seconds.toFixed(0)} s`,
    `${count(sum((device) => device.sent))} sent`,
    `${count(acknowledged)} acknowledged (${count(acknowledged / seconds)}/s)`,
    `ack p99 ${ackLatencies.percentile(99)?.toFixed(1) ?? "–"} ms`,
    `alerts ${log.raised} raised, ${log.resolved} resolved`,
  ].join(" · ");
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** `2026-11-20 14:35` */
export function minute(time: string | number): string {
  return new Date(time).toISOString().slice(0, 16).replace("T", " ");
}
