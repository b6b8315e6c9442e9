/** How fast a read model is built anew from the history, and how far behind the live one is. */
import { setTimeout as sleep } from "node:timers/promises";
import { connectEventStore } from "../src/engines/eventstore.js";
import { connectNats } from "../src/engines/nats.js";
import { subjects } from "../src/platform/subjects.js";
import type { Bench } from "./support/bench.js";
import { ratioOf } from "./support/bench.js";
import { countCpu, total } from "./support/cpu.js";
import { appendDevice, appendDevices } from "./support/history.js";
import { LatencyHistogram } from "./support/latency-histogram.js";
import { startBenchPlatform } from "./support/platform.js";
import type { BenchPlatform } from "./support/platform.js";
import { until } from "./support/work.js";

const sizes = { events: 60_000, each: 5, live: 300 };
const PROJECTION = "devices";

export const projections: Bench<typeof sizes> = {
  about: "the read model of devices rebuilt from the history, beside the live one; and the live one's lag",
  sizes,
  async run({ events, each, live }, say) {
    const bench = await startBenchPlatform(say);
    const client = connectEventStore(bench.platform.eventstoreUrl);
    bench.lifecycle.add("event store client", { stop: () => client.dispose() });
    try {
      const shown = await followShown(bench);
      const devices = Math.ceil(events / each);
      say(`· ${devices * each} events of ${devices} devices, straight into the event store`);
      const began = performance.now();
      const last = await appendDevices(client, bench.tenant, devices, each);
      await until("the live read model", () => shown.commit >= last.commit, 120_000);
      const followed = (devices * each * 1_000) / (performance.now() - began);

      say("· rebuilding");
      const spent = countCpu(bench.platform.pids());
      const rebuilt = await rebuild(bench);
      const cpu = spent();

      say(`· ${live} appends at a time of their own, for the lag`);
      const lag = new LatencyHistogram();
      for (let n = 0; n < live; n += 1) {
        const { position } = await appendDevice(client, bench.tenant, `late-${n}`, n, 1);
        const at = performance.now();
        await shown.reaches(position.commit);
        lag.record(performance.now() - at);
        await sleep(10);
      }

      say("· reading the same log by the bare client");
      const from = performance.now();
      let count = 0;
      for await (const { event } of client.readAll()) if (event !== undefined) count += 1;
      const baseline = {
        name: "the log read from end to end by the bare @eventstore/db-client, nothing done with it",
        per_s: Math.round((count * 1_000) / (performance.now() - from)),
      };
      return {
        figures: {
          events: rebuilt.events,
          rebuild_per_s: Math.round(rebuilt.events / rebuilt.seconds),
          followed_live_per_s: Math.round(followed),
          p50_lag_ms: lag.percentile(50),
          p99_lag_ms: lag.percentile(99),
          cpu_s: total(cpu),
          cpu_s_by_process: cpu,
        },
        baseline,
        ratio: ratioOf(rebuilt.events / rebuilt.seconds, baseline),
      };
    } finally {
      await bench.stop();
    }
  },
};

interface Progress {
  readonly commit: bigint;
  /** Resolves at once when the read model is that far. Rejects after 10 s. */
  reaches(commit: bigint): Promise<void>;
}

/** How far the projection is, by its own notes. */
async function followShown({ platform, lifecycle }: BenchPlatform): Promise<Progress> {
  const nats = await connectNats(platform.natsUrl, "bench");
  lifecycle.add("NATS client", { stop: () => nats.close() });
  let commit = -1n;
  let waiting: { readonly commit: bigint; readonly resolve: () => void } | undefined;
  nats.subscribe(subjects.shown(PROJECTION), {
    callback: (_error, message) => {
      commit = BigInt(message.json<{ readonly commit: string }>().commit);
      if (waiting !== undefined && commit >= waiting.commit) waiting.resolve();
    },
  });
  await nats.flush();
  return {
    get commit() {
      return commit;
    },
    async reaches(wanted) {
      if (commit >= wanted) return;
      await new Promise<void>((resolve, reject) => {
        const impatience = setTimeout(() => reject(new Error("the read model is more than 10 s behind")), 10_000);
        waiting = {
          commit: wanted,
          resolve: () => {
            clearTimeout(impatience);
            resolve();
          },
        };
      });
      waiting = undefined;
    },
  };
}

interface Rebuild {
  readonly projection: string;
  readonly state: "RUNNING" | "DONE" | "FAILED";
  readonly events: number;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly error: string | null;
}

async function rebuild({ ops }: BenchPlatform): Promise<{ readonly events: number; readonly seconds: number }> {
  await ops.ask(`mutation ($name: String!) { rebuildProjection(name: $name) { rebuild { state } } }`, {
    name: PROJECTION,
  });
  let outcome: Rebuild | undefined;
  await until(
    "the rebuild",
    async () => {
      const { rebuilds } = await ops.ask<{ readonly rebuilds: readonly Rebuild[] }>(
        `{ rebuilds { projection state events startedAt finishedAt error } }`,
      );
      outcome = rebuilds.find(({ projection }) => projection === PROJECTION);
      return outcome !== undefined && outcome.state !== "RUNNING";
    },
    120_000,
    100,
  );
  if (outcome?.state !== "DONE" || outcome.finishedAt === null) {
    throw new Error(`the rebuild failed: ${outcome?.error ?? "it says nothing"}`);
  }
  const { events, startedAt, finishedAt } = outcome;
  return { events, seconds: Math.max(1, Date.parse(finishedAt) - Date.parse(startedAt)) / 1_000 };
}
