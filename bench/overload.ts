/** Three times what the platform can take: what it takes, what it costs it, and whether the others notice. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Latencies } from "../src/demo/latencies.js";
import type { Bench } from "./support/bench.js";
import { createRules, enrolDevices, METRICS, watchfulRules } from "./support/enrol.js";
import { watchMemory } from "./support/memory.js";
import type { MqttLoad, MqttLoadResult } from "./support/mqtt-loader.js";
import { runMqttLoadInProcess } from "./support/mqtt-loader-process.js";
import { startBenchPlatform } from "./support/platform.js";
import type { BenchPlatform } from "./support/platform.js";
import { connectProbes } from "./support/probe.js";
import { untilStored } from "./support/until-stored.js";

/** `seconds`: of sending at the offered rate; held back, the senders take about three times as long. */
const sizes = { seconds: 4, times: 3, connections: 200, sustained: 300_000, window: 1_000 };

/** A closed loop of this window keeps the platform busy: what is measured is not how long an acknowledgement takes. */
const SUSTAINED_WINDOW = 256;
/** The first part's timestamps lie so far back that the second part's follow them. */
const APART_MS = 30_000;
/** Messages a second of the device beside the load. */
const PROBE_RATE = 20;

export const overload: Bench<typeof sizes> = {
  about: "MQTT QoS 1 offered at three times the sustainable rate, with a well-behaved device beside it",
  sizes,
  async run({ seconds, times, connections, sustained, window }, say) {
    const bench = await startBenchPlatform(say);
    try {
      say(`· registering ${connections + 1} devices`);
      const devices = await enrolDevices(bench.api, bench.tenant, connections);
      const probed = await enrolDevices(bench.api, bench.tenant, 1, "probe");
      await createRules(bench.api, watchfulRules);
      const base = { host: "127.0.0.1", port: bench.mqttPort, devices, metrics: METRICS } as const;

      say(`· what can be sustained: ${sustained} messages, a third of them to warm up`);
      const steady = await runMqttLoadInProcess({
        ...base,
        warmUpPerDevice: Math.ceil(sustained / 3 / connections),
        messagesPerDevice: Math.ceil((sustained * 2) / 3 / connections),
        window: SUSTAINED_WINDOW,
        agoMs: APART_MS,
      });
      const began = performance.now() - steady.seconds * 1_000;
      const settled = await untilStored(bench, steady, COUNTED, steady.acked);
      // What is acknowledged faster than it becomes readable cannot be kept up.
      const sustainable = Math.round((steady.acked * 1_000) / Math.max(1, settled.at - began));

      const rate = sustainable * times;
      const messagesPerDevice = Math.ceil((rate * seconds) / connections);
      // A device sends each millisecond once: those of the first part must be over.
      await sleep(Math.max(0, steady.lastTs + messagesPerDevice + 1 - Date.now()));
      say(`· ${rate} messages a second are offered, ${times} times ${sustainable}`);
      const memory = watchMemory(() => bench.platform.pids());
      const { result, beside } = await withProbe(bench, probed, { ...base, messagesPerDevice, window, rate });
      const ackedAt = performance.now();
      say("· waiting until all is readable");
      const { stored, at } = await untilStored(bench, result, COUNTED, result.acked);
      const accepted = Math.round(result.ackedPerSecond);
      return {
        figures: {
          connections,
          offered: result.sent,
          offered_per_s: rate,
          accepted_per_s: accepted,
          seconds: Number(result.seconds.toFixed(1)),
          memory_max_mib: memory.stop(),
          lost: Math.max(0, result.acked - stored),
          duplicates: Math.max(0, stored - result.sent),
          unacknowledged: result.sent - result.acked,
          drained_s: Number((Math.max(0, at - ackedAt) / 1_000).toFixed(2)),
          p99_ack_ms: result.p99AckMs,
          beside_p50_ack_ms: beside.percentile(50),
          beside_p99_ack_ms: beside.percentile(99),
          failures: result.failures,
        },
        baseline: { name: "what is sustained without overload", per_s: sustainable },
        ratio: Number((accepted / Math.max(1, sustainable)).toFixed(3)),
      };
    } finally {
      await bench.stop();
    }
  },
};

/** Not what the device beside the load sends. */
const COUNTED = METRICS[1];

/** The load, and meanwhile a device that sends a message now and then. */
async function withProbe(
  bench: BenchPlatform,
  probed: Awaited<ReturnType<typeof enrolDevices>>,
  load: MqttLoad,
): Promise<{ readonly result: MqttLoadResult; readonly beside: Latencies }> {
  const { devices, acks } = await connectProbes(probed, METRICS[0], bench.mqttPort, bench.lifecycle);
  let n = 0;
  const timer = setInterval(() => {
    n += 1;
    for (const device of devices) device.publish(Date.now(), n);
  }, 1_000 / PROBE_RATE);
  try {
    return { result: await runMqttLoadInProcess(load), beside: acks };
  } finally {
    clearInterval(timer);
  }
}
