/** InfluxDB is away under load: nothing is lost meanwhile, and how fast it is made good. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "./support/bench.js";
import { createRules, enrolDevices, METRICS, watchfulRules } from "./support/enrol.js";
import { watchMemory } from "./support/memory.js";
import { runMqttLoadInProcess } from "./support/mqtt-loader-process.js";
import { startBenchPlatform } from "./support/platform.js";
import { countStored, untilStored } from "./support/until-stored.js";

const sizes = { rate: 10_000, away: 30, connections: 200 };

/** Of the load before InfluxDB goes, and after it is back. */
const BEFORE_S = 2;
const AFTER_S = 3;
const LOOK_EVERY_MS = 250;

export const catchUp: Bench<typeof sizes> = {
  about: "InfluxDB stands still under load, and catches up while the load goes on",
  sizes,
  async run({ rate, away, connections }, say) {
    const bench = await startBenchPlatform(say);
    try {
      say(`· registering ${connections} devices`);
      const devices = await enrolDevices(bench.api, bench.tenant, connections);
      await createRules(bench.api, watchfulRules);
      const influx = bench.platform.pids().get("influxd");
      if (influx === undefined) throw new Error("influxd does not run");
      const memory = watchMemory(() => bench.platform.pids());
      say(`· ${rate} messages a second; InfluxDB stands still for ${away} s`);
      const messagesPerDevice = Math.ceil((rate * (BEFORE_S + away + AFTER_S)) / connections);
      const began = performance.now();
      // The load's own first timestamp is told at its end only; nothing else in the tenant has this metric.
      const ever = { firstTs: 0, lastTs: Date.now() + 3_600_000 };
      const loading = runMqttLoadInProcess({
        host: "127.0.0.1",
        port: bench.mqttPort,
        devices,
        messagesPerDevice,
        window: 256,
        metrics: METRICS,
        rate,
      });
      await sleep(BEFORE_S * 1_000);
      process.kill(influx, "SIGSTOP");
      try {
        await sleep(away * 1_000);
      } finally {
        process.kill(influx, "SIGCONT");
      }
      const backAt = performance.now();
      const storedBefore = await countStored(bench, ever, METRICS[0]);
      say("· it is back");
      const load = { ended: false };
      void loading.finally(() => {
        load.ended = true;
      });
      // Caught up: stored is what was sent, but for what half a second brings.
      let caughtUpAt = performance.now();
      let storedAfter = storedBefore;
      while (!load.ended) {
        storedAfter = await countStored(bench, ever, METRICS[0]);
        caughtUpAt = performance.now();
        if (storedAfter >= (rate * (caughtUpAt - began)) / 1_000 - rate / 2) break;
        await sleep(LOOK_EVERY_MS);
      }
      const result = await loading;
      const { stored, at } = await untilStored(bench, result, METRICS[0], result.acked);
      // The load was over first: then it is caught up when all is there.
      if (storedAfter < result.acked && load.ended) [caughtUpAt, storedAfter] = [at, stored];
      const seconds = (caughtUpAt - backAt) / 1_000;
      const perSecond = Math.round((storedAfter - storedBefore) / Math.max(0.001, seconds));
      const acked = Math.round(result.ackedPerSecond);
      return {
        figures: {
          rate,
          away_s: away,
          messages: result.sent,
          acked_per_s: acked,
          p99_ack_ms: result.p99AckMs,
          backlog: Math.round((rate * (backAt - began)) / 1_000 - storedBefore),
          catch_up_s: Number(seconds.toFixed(2)),
          catch_up_per_s: perSecond,
          lost: Math.max(0, result.acked - stored),
          duplicates: Math.max(0, stored - result.sent),
          unacknowledged: result.sent - result.acked,
          memory_max_mib: memory.stop(),
          failures: result.failures,
        },
        baseline: { name: "the load meanwhile", per_s: acked },
        ratio: Number((perSecond / Math.max(1, acked)).toFixed(3)),
      };
    } finally {
      await bench.stop();
    }
  },
};
