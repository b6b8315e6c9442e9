/** Writer and roller on real servers, and what the rollups should be, computed the plain way. */
import { deviceId, deviceTypeId, tenantId } from "../../../src/domain/ids.js";
import { encodeFrame } from "../../../src/ingest/frames/frame.js";
import { startRollups, startWriter } from "../../../src/ingest/index.js";
import type { Reading, RollupOptions } from "../../../src/ingest/index.js";
import { levels } from "../../../src/ingest/rollups/levels.js";
import type { Level } from "../../../src/ingest/rollups/levels.js";
import { openMarks } from "../../../src/ingest/rollups/marks.js";
import { createInfluxQl, within } from "../../../src/ingest/telemetry/influxql.js";
import type { HasHealth, Running } from "../../../src/platform/lifecycle.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { createMetrics } from "../../../src/platform/metrics.js";
import { streams, subjects } from "../../../src/platform/subjects.js";
import { waitFor } from "../../support/wait-for.js";
import { influxUnderTest, natsUnderTest } from "../support.js";
import type { InfluxUnderTest, NatsUnderTest } from "../support.js";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export interface Stores {
  readonly nats: NatsUnderTest;
  readonly influx: InfluxUnderTest;
  startWriter(): Running & HasHealth;
  startRollups(options?: RollupOptions & { readonly owner?: string }): Running & HasHealth;
  /** Into JetStream, as a gateway does it. */
  store(...readings: readonly Reading[]): Promise<void>;
  /** Until InfluxDB has all of it. */
  written(): Promise<void>;
  /** Until every minute that ended before `time` is closed. */
  closed(time: number): Promise<void>;
  /** Rolled-up points as `tenant/device/metric/start` and what they hold. */
  rollups(level: Level, span: { readonly from: number; readonly to: number }): Promise<Record<string, RollupCells>>;
  stop(): Promise<void>;
}

export type RollupCells = readonly [count: number, sum: number, min: number, max: number, mean: number];

/** Nothing is waited for that a test need not wait for. */
const quick: RollupOptions = { graceMs: 0, lateDelayMs: 0, everyMs: 50 };

export async function startStores(): Promise<Stores> {
  const [nats, influx] = await Promise.all([natsUnderTest(), influxUnderTest()]);
  const ql = createInfluxQl(influx.influx);
  const running: Running[] = [];
  const started = <T extends Running>(part: T): T => {
    running.push(part);
    return part;
  };
  return {
    nats,
    influx,
    startWriter: () =>
      started(startWriter({ nc: nats.nc, influx: influx.influx, logger: silentLogger, metrics: createMetrics() })),
    startRollups: ({ owner = "test", ...options } = {}) =>
      started(
        startRollups(
          { nc: nats.nc, influx: influx.influx, logger: silentLogger, metrics: createMetrics(), owner },
          { ...quick, ...options },
        ),
      ),
    async store(...readings) {
      await nats.nc.jetstream().publish(subjects.frames(0), encodeFrame(readings));
    },
    async written() {
      const manager = await nats.nc.jetstreamManager();
      await waitFor(async () => {
        const { num_pending, num_ack_pending } = await manager.consumers.info(streams.frames, "writer");
        return num_pending + num_ack_pending === 0;
      });
    },
    async closed(time) {
      const marks = await openMarks(nats.nc);
      await waitFor(async () => ((await marks.closed())?.MINUTE ?? 0) >= Math.floor(time / MINUTE) * MINUTE, {
        what: "the minutes to be closed",
      });
    },
    async rollups(level, span) {
      const [answer] = await ql.ask([
        `SELECT "count", sum_value, min_value, max_value, avg_value FROM ${levels[level].measurement} WHERE ${within(span)} GROUP BY tenant_id, device_id, sensor_type`,
      ]);
      const found: Record<string, RollupCells> = {};
      for (const { tags = {}, values } of answer?.series ?? []) {
        for (const [time, ...cells] of values) {
          found[`${tags["tenant_id"]}/${tags["device_id"]}/${tags["sensor_type"]}/${time}`] =
            cells as unknown as RollupCells;
        }
      }
      return found;
    },
    async stop() {
      for (const part of running.toReversed()) await part.stop();
      await Promise.all([nats.stop(), influx.stop()]);
    },
  };
}

export function reading(
  tenant: string,
  device: string,
  timestamp: number,
  values: Reading["values"],
  receivedAt = timestamp,
): Reading {
  return {
    tenantId: tenantId(tenant),
    deviceId: deviceId(device),
    deviceType: deviceTypeId("sensor"),
    receivedAt,
    timestamp,
    values,
  };
}

/** What rollups of these readings should be. Equal readings are one, as they are in storage. */
export function expected(level: Level, readings: readonly Reading[]): Record<string, RollupCells> {
  const cells: Record<string, RollupCells> = {};
  const distinct = new Map(readings.map((each) => [JSON.stringify(each), each]));
  for (const { tenantId: tenant, deviceId: device, timestamp, values } of distinct.values()) {
    for (const [metric, value] of Object.entries(values)) {
      if (typeof value !== "number") continue;
      const key = `${tenant}/${device}/${metric}/${Math.floor(timestamp / levels[level].ms) * levels[level].ms}`;
      const [count, sum, min, max] = cells[key] ?? [0, 0, Infinity, -Infinity];
      const total = sum + value;
      cells[key] = [count + 1, total, Math.min(min, value), Math.max(max, value), total / (count + 1)];
    }
  }
  return cells;
}
