/** Decisions a second through GraphQL, how soon queries show them, and how soon a device has its new configuration. */
import { jsonEvent } from "@eventstore/db-client";
import { connectAsync } from "mqtt";
import { connectEventStore } from "../src/engines/eventstore.js";
import { newId } from "../src/platform/ids.js";
import type { Baseline, Bench, Say } from "./support/bench.js";
import { ratioOf } from "./support/bench.js";
import { countCpu, total } from "./support/cpu.js";
import { DEVICE_TYPE, enrolDevices } from "./support/enrol.js";
import { LatencyHistogram } from "./support/latency-histogram.js";
import type { LoadedDevice } from "./support/mqtt-loader.js";
import { startBenchPlatform } from "./support/platform.js";
import type { BenchPlatform } from "./support/platform.js";
import { timed, until } from "./support/work.js";

const sizes = { commands: 15_000, concurrency: 96, devices: 10, configurations: 200 };

interface Shown {
  readonly it: { readonly shown: boolean };
}

export const commands: Bench<typeof sizes> = {
  about: "mutations over GraphQL, each answered once the read model shows it; and configuration to the device",
  sizes,
  async run({ commands: wanted, concurrency, devices, configurations }, say) {
    const bench = await startBenchPlatform(say, { connections: concurrency });
    try {
      const receivers = await enrolDevices(bench.api, bench.tenant, devices, "receiver");
      const spent = countCpu(bench.platform.pids());
      const busy = { done: false };
      const delivering = deliver(bench, receivers, configurations, busy);
      say(`· ${wanted} commands, ${concurrency} at a time, and configurations to ${devices} devices meanwhile`);
      const latencies = new LatencyHistogram();
      let failed = 0;
      let late = 0;
      // A life in three steps: each device is registered, configured and activated, by one hand.
      const lives = Math.ceil(wanted / STEPS.length);
      const { seconds } = await timed(lives, concurrency, async (n) => {
        for (const step of STEPS) {
          const at = performance.now();
          try {
            const { it } = await bench.api.ask<Shown>(step, { device: `device-${n}`, type: DEVICE_TYPE });
            if (!it.shown) late += 1;
            latencies.record(performance.now() - at);
          } catch {
            failed += 1;
          }
        }
      });
      busy.done = true;
      const delivered = await delivering;
      const cpu = spent();
      const accepted = lives * STEPS.length - failed;
      const baseline = await bareAppends(bench, accepted, concurrency, say);
      return {
        figures: {
          accepted_per_s: Math.round(accepted / seconds),
          failed,
          shown_too_late: late,
          p50_shown_ms: latencies.percentile(50),
          p99_shown_ms: latencies.percentile(99),
          delivered: delivered.count,
          p50_delivered_ms: delivered.latencies.percentile(50),
          p99_delivered_ms: delivered.latencies.percentile(99),
          commands: accepted,
          concurrency,
          cpu_s: total(cpu),
          cpu_s_by_process: cpu,
        },
        baseline,
        ratio: ratioOf(accepted / seconds, baseline),
      };
    } finally {
      await bench.stop();
    }
  },
};

const STEPS = [
  `mutation ($device: ID!, $type: String!) { it: registerDevice(input: { deviceId: $device, deviceType: $type, name: "Bench", location: { site: "hall" } }) { shown } }`,
  `mutation ($device: ID!) { it: setDeviceConfiguration(input: { deviceId: $device, config: { interval: 60 } }) { shown } }`,
  `mutation ($device: ID!) { it: activateDevice(input: { deviceId: $device }) { shown } }`,
] as const;

/** New configurations for connected devices, one after the other until there were enough or `busy` is over: from the request to the device. */
async function deliver(
  { api, mqttPort, lifecycle }: BenchPlatform,
  receivers: readonly LoadedDevice[],
  wanted: number,
  busy: { readonly done: boolean },
): Promise<{ readonly count: number; readonly latencies: LatencyHistogram }> {
  const latencies = new LatencyHistogram();
  const seen = new Map<string, number>();
  for (const { tenant, device, key } of receivers) {
    const client = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
      clientId: device,
      username: `${tenant}/${device}`,
      password: key,
    });
    lifecycle.add(device, { stop: () => client.endAsync(true) });
    client.on("message", (_topic, payload) => {
      seen.set(device, (JSON.parse(payload.toString("utf8")) as { readonly version: number }).version);
    });
    await client.subscribeAsync(`v1/${tenant}/${device}/config/desired`, { qos: 1 });
  }
  let count = 0;
  for (; count < wanted && !busy.done; count += 1) {
    const device = receivers[count % receivers.length]?.device ?? "";
    const version = Math.floor(count / receivers.length) + 1;
    const at = performance.now();
    const asked = api.ask(
      `mutation ($device: ID!, $config: JSONObject!) { setDeviceConfiguration(input: { deviceId: $device, config: $config }) { shown } }`,
      { device, config: { round: version } },
    );
    await until(`configuration ${version} at ${device}`, () => (seen.get(device) ?? 0) >= version, 30_000, 1);
    latencies.record(performance.now() - at);
    await asked;
  }
  return { count, latencies };
}

/** The same number of events into the same event store by the bare client: nothing read, decided, projected or answered. */
async function bareAppends({ platform }: BenchPlatform, count: number, hands: number, say: Say): Promise<Baseline> {
  say("· as many appends by the bare client");
  const client = connectEventStore(platform.eventstoreUrl);
  try {
    const { perSecond } = await timed(count, hands, (n) =>
      client.appendToStream(`bare-${n}`, jsonEvent({ id: newId(), type: "Bare", data: { n, site: "hall" } })),
    );
    return { name: "appends by the bare @eventstore/db-client, as many at a time", per_s: Math.round(perSecond) };
  } finally {
    await client.dispose();
  }
}
