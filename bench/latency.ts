/** How long a message takes to each place that it goes to, at a steady rate. */
import { EventEmitter, once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { connectNats } from "../src/engines/nats.js";
import { subjects } from "../src/platform/subjects.js";
import type { Bench } from "./support/bench.js";
import { byPart, countCpu, total } from "./support/cpu.js";
import { createRules, enrolDevices, METRICS, watchfulRules } from "./support/enrol.js";
import { LatencyHistogram } from "./support/latency-histogram.js";
import { runMqttLoadInProcess } from "./support/mqtt-loader-process.js";
import { startBenchPlatform } from "./support/platform.js";
import { connectProbes } from "./support/probe.js";

const sizes = { rate: 50_000, seconds: 12, connections: 200, bunch: 4, probes: 150 };

const WARM_UP_SECONDS = 4;
const SETTLE_MS = 1_000;
/** How finely "readable" is measured: each look costs InfluxDB as much as hundreds of messages. */
const POLL_MS = 25;

export const latency: Bench<typeof sizes> = {
  about: "publish to PUBACK, to readable in InfluxDB, to the integrators' NATS subject, at a steady rate",
  sizes,
  async run({ rate, seconds, connections, bunch, probes }, say) {
    const bench = await startBenchPlatform(say);
    try {
      say(`· registering ${connections + 1} devices`);
      const load = await enrolDevices(bench.api, bench.tenant, connections);
      const enrolled = await enrolDevices(bench.api, bench.tenant, 1, "probe");
      await createRules(bench.api, watchfulRules);
      const [probe] = (await connectProbes(enrolled, METRICS[0], bench.mqttPort, bench.lifecycle)).devices;
      if (probe === undefined) throw new Error("there is no probe");
      const atNats = new LatencyHistogram();
      const nats = await connectNats(bench.platform.natsUrl, "bench");
      bench.lifecycle.add("NATS client", { stop: () => nats.close() });
      nats.subscribe(subjects.telemetry(bench.tenant, probe.member.deviceId), {
        callback: (_error, message) => {
          const sentAt = probe.sentAt(message.json<{ readonly ts: number }>().ts);
          if (sentAt !== undefined) atNats.record(performance.now() - sentAt);
        },
      });
      await nats.flush();

      say("· warming up: processes that have just started are not the steady state");
      let spent = countCpu(bench.platform.pids());
      const word = new EventEmitter();
      const warm = once(word, "warm");
      const loading = runMqttLoadInProcess(
        {
          host: "127.0.0.1",
          port: bench.mqttPort,
          devices: load,
          messagesPerDevice: Math.ceil((rate * seconds) / connections),
          warmUpPerDevice: Math.ceil((rate * WARM_UP_SECONDS) / connections),
          window: 64,
          metrics: METRICS,
          rate,
          bunch,
        },
        async () => {
          await sleep(SETTLE_MS);
          spent = countCpu(bench.platform.pids());
          word.emit("warm");
        },
      );
      await Promise.race([warm, loading]);
      say(`· ${rate} messages a second for ${seconds} s, and ${probes} probes meanwhile`);
      const readable = new LatencyHistogram();
      const began = performance.now();
      for (let n = 0; n < probes; n += 1) {
        await sleep(Math.max(0, began + (n * seconds * 1_000) / probes - performance.now()));
        const time = Date.now();
        const at = performance.now();
        probe.publish(time, n);
        const query = { metrics: [METRICS[0]], from: time, to: time + 1 };
        for (let found = false; !found;) {
          const [series] = await bench.telemetry.series(bench.tenant, probe.member.deviceId, query);
          found = (series?.raw.length ?? 0) > 0;
          // Asked in a loop without a pause, InfluxDB would have no time for anything else.
          if (!found) await sleep(POLL_MS);
          if (!found && performance.now() - at > 10_000) throw new Error("a reading was not readable within 10 s");
        }
        readable.record(performance.now() - at);
      }
      const result = await loading;
      const cpu = spent();
      return {
        figures: {
          rate: Math.round(result.ackedPerSecond),
          connections,
          bunch,
          p50_ack_ms: result.p50AckMs,
          p99_ack_ms: result.p99AckMs,
          max_ack_ms: result.maxAckMs,
          p50_readable_ms: readable.percentile(50),
          p99_readable_ms: readable.percentile(99),
          p50_nats_ms: atNats.percentile(50),
          p99_nats_ms: atNats.percentile(99),
          unacknowledged: result.sent - result.acked,
          cpu_s: byPart(cpu),
          cpu_us_per_message: Number(((total(cpu) * 1e6) / Math.max(1, result.acked)).toFixed(1)),
        },
      };
    } finally {
      await bench.stop();
    }
  },
};
