/** Messages a second over MQTT QoS 1, each acknowledged only once stored durably, with the processor and rules on. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "./support/bench.js";
import { ratioOf } from "./support/bench.js";
import { startBareBroker } from "./support/bare-broker.js";
import { byPart, countCpu, total } from "./support/cpu.js";
import { createRules, enrolDevices, METRICS, watchfulRules } from "./support/enrol.js";
import type { MqttLoad, SentTimes } from "./support/mqtt-loader.js";
import { startNaivePath } from "./support/naive-path.js";
import { runMqttLoadInProcess } from "./support/mqtt-loader-process.js";
import { startBenchPlatform } from "./support/platform.js";
import type { BenchPlatform } from "./support/platform.js";

const sizes = { messages: 1_000_000, warmup: 200_000, connections: 200, window: 32 };

/** Enough to know what others do; as many again, at most, warm them up as warm us up. */
const OTHERS_MESSAGES = 200_000;

export const ingest: Bench<typeof sizes> = {
  about: "MQTT QoS 1 into the whole platform, three metrics a message, until each is readable in InfluxDB",
  sizes,
  async run({ messages, warmup, connections, window }, say) {
    const bench = await startBenchPlatform(say);
    try {
      say(`· registering ${connections} devices`);
      const devices = await enrolDevices(bench.api, bench.tenant, connections);
      await createRules(bench.api, watchfulRules);
      const load = {
        host: "127.0.0.1",
        devices,
        messagesPerDevice: Math.ceil(messages / connections),
        warmUpPerDevice: Math.ceil(warmup / connections),
        window,
        metrics: METRICS,
      };
      say(`· ${load.warmUpPerDevice * connections} messages over ${connections} connections to warm up, not counted`);
      let spent = countCpu(bench.platform.pids());
      const result = await runMqttLoadInProcess({ ...load, port: bench.mqttPort }, async (warm) => {
        // What the connections' beginning and the warm-up still cost belongs to neither.
        await untilStored(bench, warm, warm.messages, performance.now());
        await sleep(SETTLE_MS);
        say(`· sending ${load.messagesPerDevice * connections} messages`);
        spent = countCpu(bench.platform.pids());
      });
      const sentBy = performance.now();
      say("· waiting until all is readable");
      const { stored, waitedMs } = await untilStored(bench, result, result.acked, sentBy);
      const cpu = { ...byPart(spent()), loader: Number(result.cpuSeconds.toFixed(2)) };
      await bench.stop();
      const baseline = await measureOther(await startNaivePath(), load, say);
      const broker = await measureOther(await startBareBroker(), load, say);
      return {
        figures: {
          qos: 1,
          connections,
          messages: result.sent,
          metrics: METRICS.length,
          acked_per_s: Math.round(result.ackedPerSecond),
          stored_per_s: Math.round(stored / (result.seconds + waitedMs / 1_000)),
          lost: Math.max(0, result.acked - stored),
          duplicates: Math.max(0, stored - result.sent),
          p50_ack_ms: result.p50AckMs,
          p99_ack_ms: result.p99AckMs,
          cpu_s: cpu,
          cpu_us_per_message: perMessage(total(cpu), stored),
          failures: result.failures,
          broker,
        },
        baseline,
        ratio: ratioOf(result.ackedPerSecond, baseline),
      };
    } finally {
      await bench.stop();
    }
  },
};

const LOOK_EVERY_MS = 100;
const PATIENCE_MS = 30_000;
const SETTLE_MS = 1_000;

/** Counts one metric of the messages sent until so many are there; gives up when the count stood still for half a minute. */
async function untilStored(
  { telemetry, tenant }: BenchPlatform,
  { firstTs, lastTs }: SentTimes,
  acked: number,
  since: number,
): Promise<{ readonly stored: number; readonly waitedMs: number }> {
  const query = { from: firstTs, to: lastTs + 1, metric: METRICS[0] };
  let stored = -1;
  let movedAt = performance.now();
  for (;;) {
    const now = await telemetry.count(tenant, query);
    const at = performance.now();
    if (now !== stored) movedAt = at;
    stored = now;
    if (stored >= acked || at - movedAt > PATIENCE_MS) return { stored, waitedMs: movedAt - since };
    await sleep(LOOK_EVERY_MS);
  }
}

/** The same load into something else, as warm as we were. */
async function measureOther(
  what: { readonly name: string; readonly port: number; pids(): ReadonlyMap<string, number>; stop(): Promise<void> },
  load: Omit<MqttLoad, "port">,
  say: (line: string) => void,
): Promise<{ readonly name: string; readonly per_s: number; readonly cpu_us_per_message: number }> {
  const { name, port } = what;
  try {
    say(`· the same load into ${name}`);
    const messagesPerDevice = Math.min(load.messagesPerDevice, Math.ceil(OTHERS_MESSAGES / load.devices.length));
    let spent = countCpu(what.pids());
    const result = await runMqttLoadInProcess({ ...load, messagesPerDevice, port }, async () => {
      await sleep(SETTLE_MS);
      spent = countCpu(what.pids());
    });
    await sleep(SETTLE_MS);
    const cpu = total({ ...spent(), loader: result.cpuSeconds });
    return { name, per_s: Math.round(result.ackedPerSecond), cpu_us_per_message: perMessage(cpu, result.acked) };
  } finally {
    await what.stop();
  }
}

/** Microseconds of processor time. */
function perMessage(seconds: number, messages: number): number {
  return Number(((seconds * 1e6) / Math.max(1, messages)).toFixed(1));
}
