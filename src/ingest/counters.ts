/**
 * The metrics of the doors. Counting with prom-client costs a hash of the labels each time, which a hundred thousand
 * messages a second feel: hot counts are plain numbers, handed over when somebody scrapes.
 */
import { Counter, Gauge, Histogram } from "../platform/metrics.js";
import type { Registry } from "../platform/metrics.js";

export type Door = "mqtt" | "http" | "coap" | "nats" | "writer" | "bridge" | "reports";

export interface IngestCounters {
  /** Messages that reached a door, whatever became of them. */
  received(door: Door): void;
  /** Readings that JetStream acknowledged. */
  stored(readings: number): void;
  rejected(door: Door, code: string): void;
  /** Of those, what went into the ledger as a count only. */
  sampledOut(count: number): void;
  loginRefused(door: Door, reason: string): void;
  /** Connections that ended for another reason than the device's wish. */
  connectionClosed(reason: string): void;
  connections(delta: 1 | -1): void;
  /** Seconds from a frame's first message to JetStream's acknowledgement. */
  acknowledged(seconds: number): void;
  publishFailed(reason: string): void;
}

export function createIngestCounters(registry: Registry): IngestCounters {
  const receivedSince = new Map<Door, number>();
  let storedSince = 0;
  const registers = [registry];
  // Registered with the registry by their making; they are read by scrapes only.
  const receivedTotal = new Counter({
    name: "fleetlog_received_total",
    help: "Messages that reached a door.",
    labelNames: ["door"],
    registers,
    collect() {
      for (const [door, count] of receivedSince) this.inc({ door }, count);
      receivedSince.clear();
    },
  });
  const storedTotal = new Counter({
    name: "fleetlog_stored_total",
    help: "Readings that are durably in JetStream.",
    registers,
    collect() {
      this.inc(storedSince);
      storedSince = 0;
    },
  });
  const rejectedTotal = new Counter({
    name: "fleetlog_rejected_total",
    help: "Messages refused, by the error table's code.",
    labelNames: ["door", "code"],
    registers,
  });
  const sampledOutTotal = new Counter({
    name: "fleetlog_rejections_sampled_out_total",
    help: "Messages refused that the ledger counts without keeping them.",
    registers,
  });
  const loginsRefused = new Counter({
    name: "fleetlog_logins_refused_total",
    help: "Log-ins refused, by the reason (which the caller is not told).",
    labelNames: ["door", "reason"],
    registers,
  });
  const connectionsClosed = new Counter({
    name: "fleetlog_connections_closed_total",
    help: "MQTT connections that the gateway ended, by reason.",
    labelNames: ["reason"],
    registers,
  });
  const connections = new Gauge({
    name: "fleetlog_connections",
    help: "Devices connected over MQTT.",
    registers,
  });
  const acknowledged = new Histogram({
    name: "fleetlog_ingest_ack_seconds",
    help: "From the first message of a frame to JetStream's acknowledgement.",
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const publishesFailed = new Counter({
    name: "fleetlog_publish_failed_total",
    help: "Publishes that JetStream did not acknowledge.",
    labelNames: ["reason"],
    registers,
  });
  receivedTotal.inc({ door: "mqtt" }, 0);
  storedTotal.inc(0);
  return {
    received: (door) => void receivedSince.set(door, (receivedSince.get(door) ?? 0) + 1),
    stored: (readings) => {
      storedSince += readings;
    },
    rejected: (door, code) => rejectedTotal.inc({ door, code }),
    sampledOut: (count) => sampledOutTotal.inc(count),
    loginRefused: (door, reason) => loginsRefused.inc({ door, reason }),
    connectionClosed: (reason) => connectionsClosed.inc({ reason }),
    connections: (delta) => connections.inc(delta),
    acknowledged: (seconds) => acknowledged.observe(seconds),
    publishFailed: (reason) => publishesFailed.inc({ reason }),
  };
}
