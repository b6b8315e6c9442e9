/** What a message costs as the fleet grows: processor time of everything, at a steady rate below what the machine can do. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connectEventStore } from "../src/engines/eventstore.js";
import { connectNats } from "../src/engines/nats.js";
import type { NatsConnection } from "../src/engines/nats.js";
import { streams, subjects } from "../src/platform/subjects.js";
import type { Bench } from "./support/bench.js";
import { byPart, countCpu, total } from "./support/cpu.js";
import { createRules, enrolDevices, METRICS, watchfulRules } from "./support/enrol.js";
import { appendKnownDevices, knownDevices } from "./support/known-devices.js";
import { runMqttLoadInProcess } from "./support/mqtt-loader-process.js";
import { startBenchPlatform } from "./support/platform.js";
import type { BenchPlatform } from "./support/platform.js";
import { until } from "./support/work.js";

/** The whole ladder, which takes some minutes: `--devices 100000 --connections 20000`. */
const sizes = { devices: 10_000, connections: 2_000, rate: 20_000, bunch: 10, seconds: 4 };

const SETTINGS = {
  // One device is to send what two hundred do otherwise.
  FLEETLOG_DEVICE_MESSAGES_PER_SECOND: "0",
  // What a step's connections leave behind is over before the next one is measured.
  FLEETLOG_OFFLINE_GRACE_SECONDS: "1",
};
/** Connections while the devices grow. */
const FEW = 200;
const WARM_UP_SECONDS = 1;
/** Of each step, after everything that its beginning has set off is done; and until what was sent last is stored. */
const SETTLE_MS = 1_000;
/** What a process of ours has open beside its connections. */
const OTHER_FILES = 300;

interface Cost {
  readonly devices: number;
  readonly connections: number;
  readonly rate: number;
  /** Of our own processes: what nats-server, influxd and the load cost stands beside it, and is not ours to make flat. */
  readonly us_per_message: number;
  readonly us_with_servers_and_load: number;
  readonly us_by_part: Readonly<Record<string, number>>;
  readonly p99_ack_ms: number;
}

export const growth: Bench<typeof sizes> = {
  about: "processor time of a message, by the number of known devices and of connections, at a steady rate",
  sizes,
  async run({ devices, connections, rate, bunch, seconds }, say) {
    const bench = await startBenchPlatform(say, { environment: SETTINGS });
    const client = connectEventStore(bench.platform.eventstoreUrl);
    bench.lifecycle.add("event store client", { stop: () => client.dispose() });
    try {
      const nats = await connectNats(bench.platform.natsUrl, "bench");
      bench.lifecycle.add("NATS client", { stop: () => nats.close() });
      // The device type, by way of one device of it.
      await enrolDevices(bench.api, bench.tenant, 1, "first");
      await createRules(bench.api, watchfulRules);
      const shown = followDevices(nats);
      const step = (known: number, open: number): Promise<Cost> =>
        measure({ bench, nats, devices: known, connections: open, rate, bunch, seconds, say });

      const byDevices: Cost[] = [];
      const most = Math.min(connections, openFiles() - OTHER_FILES);
      if (most < connections)
        say(`· ${most} connections at most: the system lets a process have ${openFiles()} files open`);
      let known = 0;
      for (const wanted of ladder([1_000, 10_000, 100_000], devices)) {
        say(`· making ${wanted} devices known`);
        const last = await appendKnownDevices(client, bench.tenant, known, wanted);
        await until("the read model", () => shown.commit >= last, 300_000);
        known = wanted;
        byDevices.push(await step(known, Math.min(FEW, known)));
      }
      const byConnections: Cost[] = [];
      for (const open of ladder([1, FEW, 2_000, 20_000], Math.min(most, known))) {
        const done = byDevices.find((cost) => cost.devices === known && cost.connections === open);
        byConnections.push(done ?? (await step(known, open)));
      }
      return {
        figures: {
          rate,
          bunch,
          by_devices: byDevices,
          by_connections: byConnections,
          devices_flat_within_percent: spread(byDevices),
          connections_flat_within_percent: spread(byConnections),
          flat_within_percent: Math.max(spread(byDevices), spread(byConnections)),
        },
      };
    } finally {
      await bench.stop();
    }
  },
};

interface Step {
  readonly bench: BenchPlatform;
  readonly nats: NatsConnection;
  readonly devices: number;
  readonly connections: number;
  readonly rate: number;
  readonly bunch: number;
  readonly seconds: number;
  readonly say: (line: string) => void;
}

async function measure({ bench, nats, devices, connections, rate, bunch, seconds, say }: Step): Promise<Cost> {
  say(`· ${devices} devices known, ${connections} connections, ${rate} messages a second for ${seconds} s`);
  const each = (forSeconds: number): number => Math.ceil((rate * forSeconds) / connections / bunch) * bunch;
  let spent = countCpu(bench.platform.pids());
  let cpu: ReturnType<typeof spent> = {};
  const result = await runMqttLoadInProcess(
    {
      host: "127.0.0.1",
      port: bench.mqttPort,
      devices: knownDevices(bench.tenant, connections),
      messagesPerDevice: each(seconds),
      warmUpPerDevice: each(WARM_UP_SECONDS),
      window: Math.max(64, Math.ceil(rate / connections)),
      metrics: METRICS,
      rate,
      bunch,
    },
    async () => {
      await untilPresenceIsSettled(nats);
      await sleep(SETTLE_MS);
      spent = countCpu(bench.platform.pids());
    },
    // The connections' ends are decisions, too, and come after this.
    async () => {
      await sleep(SETTLE_MS);
      cpu = spent();
    },
  );
  await untilPresenceIsSettled(nats);
  const served = byPart(cpu);
  const { nats: natsServer = 0, influx: influxd = 0 } = served;
  const parts = { ...served, loader: Number(result.cpuSeconds.toFixed(2)) };
  const perMessage = (s: number): number => Number(((s * 1e6) / Math.max(1, result.acked)).toFixed(1));
  return {
    devices,
    connections,
    rate: Math.round(result.ackedPerSecond),
    us_per_message: perMessage(total(served) - natsServer - influxd),
    us_with_servers_and_load: perMessage(total(parts)),
    us_by_part: Object.fromEntries(Object.entries(parts).map(([part, s]) => [part, perMessage(s)])),
    p99_ack_ms: result.p99AckMs,
  };
}

/** A connection's beginning and end are decisions, and thousands at once are thousands of them: no part of what a message costs. */
async function untilPresenceIsSettled(nats: NatsConnection): Promise<void> {
  const manager = await nats.jetstreamManager();
  await until(
    "the reports of who came and went",
    async () => (await manager.streams.info(streams.reports)).state.messages === 0,
    180_000,
    200,
  );
}

function followDevices(nats: NatsConnection): { readonly commit: bigint } {
  let commit = -1n;
  nats.subscribe(subjects.shown("devices"), {
    callback: (_error, message) => {
      commit = BigInt(message.json<{ readonly commit: string }>().commit);
    },
  });
  return {
    get commit() {
      return commit;
    },
  };
}

/** The steps below the last one, and that. */
function ladder(steps: readonly number[], last: number): readonly number[] {
  return [...steps.filter((step) => step < last), last];
}

/** How far the dearest lies above the cheapest, percent. */
function spread(costs: readonly Cost[]): number {
  const all = costs.map(({ us_per_message: us }) => us);
  return Math.round((Math.max(...all) / Math.max(0.1, Math.min(...all)) - 1) * 100);
}

/** How many files, and so connections, the system lets a process have. */
function openFiles(): number {
  try {
    const limit = /^Max open files\s+\d+\s+(\d+)/mu.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
