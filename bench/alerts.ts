/** From a device's publish to a GraphQL subscriber, while thousands of other readings a second go by. */
import { setTimeout as sleep } from "node:timers/promises";
import { followAlerts } from "../src/demo/alert-feed.js";
import { AlertLog } from "../src/demo/alert-log.js";
import { Latencies } from "../src/demo/latencies.js";
import type { Bench } from "./support/bench.js";
import { countCpu, total } from "./support/cpu.js";
import { createRules, enrolDevices, METRICS, watchfulRules } from "./support/enrol.js";
import { runMqttLoadInProcess } from "./support/mqtt-loader-process.js";
import { startBenchPlatform } from "./support/platform.js";
import { connectProbes } from "./support/probe.js";

const sizes = { rate: 5_000, seconds: 12, devices: 200, probes: 25, alerts: 500 };

/** Above the rule "hot", which nothing else is. */
const HOT = 950;
const COOL = 20;
const PATIENCE_MS = 15_000;
/** Processes that have just started, and hundreds of devices that come online at once, are not the steady state: these alerts are counted, but timed by themselves. */
const WARM_UP_MS = 4_000;

export const alerts: Bench<typeof sizes> = {
  about: "a reading that breaks a rule, from the device's publish to a GraphQL subscriber, under load",
  sizes,
  async run({ rate, seconds, devices, probes, alerts: wanted }, say) {
    const bench = await startBenchPlatform(say);
    try {
      say(`· registering ${devices + probes} devices`);
      const load = await enrolDevices(bench.api, bench.tenant, devices);
      const { devices: raisers } = await connectProbes(
        await enrolDevices(bench.api, bench.tenant, probes, "probe"),
        METRICS[0],
        bench.mqttPort,
        bench.lifecycle,
      );
      await createRules(bench.api, watchfulRules);
      const whole = new Latencies();
      const latencies = new Latencies();
      let measuredFrom = Number.POSITIVE_INFINITY;
      const judged = new Latencies();
      const byId = new Map(raisers.map((probe) => [probe.member.deviceId, probe]));
      const log = new AlertLog({
        latencies: whole,
        sentAt: (device, time) => byId.get(device)?.sentAt(time),
        onRaised({ raisedAt, triggeredAt, latencyMs = 0 }) {
          if (performance.now() - latencyMs < measuredFrom) return;
          latencies.record(latencyMs);
          // The probes stamp their readings with this machine's clock, by which the platform judges them.
          judged.record(Date.parse(raisedAt) - Date.parse(triggeredAt));
        },
        onResolved: () => {},
      });
      const { httpUrl, token, lifecycle } = bench;
      const feed = { httpUrl, token, onAlert: log.heard.bind(log), onLost: (why: string) => say(`  lost: ${why}`) };
      lifecycle.add("subscriber", await followAlerts(feed));
      // In force within two seconds.
      await sleep(2_000);

      say(`· ${rate} messages a second for ${seconds} s, and ${wanted} alerts meanwhile`);
      const spent = countCpu(bench.platform.pids());
      const loading = runMqttLoadInProcess({
        host: "127.0.0.1",
        port: bench.mqttPort,
        devices: load,
        messagesPerDevice: Math.ceil((rate * (WARM_UP_MS / 1_000 + seconds)) / devices),
        window: 64,
        metrics: METRICS,
        rate,
      });
      measuredFrom = performance.now() + WARM_UP_MS;
      const early = Math.ceil((wanted * WARM_UP_MS) / (seconds * 1_000));
      await raise(raisers, early + wanted, WARM_UP_MS + seconds * 1_000);
      const background = await loading;
      const deadline = performance.now() + PATIENCE_MS;
      while (log.raised < early + wanted && performance.now() < deadline) await sleep(50);
      const cpu = spent();
      return {
        figures: {
          rate: Math.round(background.ackedPerSecond),
          alerts: early + wanted,
          missed: early + wanted - log.raised,
          p50_ms: latencies.percentile(50),
          p99_ms: latencies.percentile(99),
          max_ms: latencies.percentile(100),
          p99_from_cold_ms: whole.percentile(99),
          p50_judged_ms: judged.percentile(50),
          p99_judged_ms: judged.percentile(99),
          p99_ack_ms: background.p99AckMs,
          load_unacknowledged: background.sent - background.acked,
          cpu_s: total(cpu),
          cpu_s_by_process: cpu,
        },
      };
    } finally {
      await bench.stop();
    }
  },
};

type Raiser = Awaited<ReturnType<typeof connectProbes>>["devices"][number];

/** One probe after the other goes hot, and cools down when half a round has gone by: `wanted` alerts, evenly over the time. */
async function raise(raisers: readonly Raiser[], wanted: number, wholeMs: number): Promise<void> {
  const began = performance.now();
  const half = Math.floor(raisers.length / 2);
  for (let n = 0; n < wanted + half; n += 1) {
    const due = began + (n * wholeMs) / (wanted + half);
    await sleep(Math.max(0, due - performance.now()));
    if (n < wanted) raisers[n % raisers.length]?.publish(Date.now(), HOT);
    if (n >= half) raisers[(n - half) % raisers.length]?.publish(Date.now(), COOL);
  }
}
