/** What a dashboard asks: pages of devices, and a device's measurements. */
import { MongoClient } from "mongodb";
import { connectEventStore } from "../src/engines/eventstore.js";
import type { Bench } from "./support/bench.js";
import { ratioOf } from "./support/bench.js";
import { DEVICE_TYPE, METRICS } from "./support/enrol.js";
import { appendDevices, deviceName, SITES } from "./support/history.js";
import { startBenchPlatform } from "./support/platform.js";
import type { BenchPlatform } from "./support/platform.js";
import { timed, until } from "./support/work.js";

const sizes = { devices: 20_000, points: 400_000, watched: 200, pages: 1_500, series: 300, concurrency: 4 };

export const queries: Bench<typeof sizes> = {
  about: "pages of devices by filter and order, and series of measurements, over GraphQL",
  sizes,
  async run({ devices, points, watched, pages, series, concurrency }, say) {
    const bench = await startBenchPlatform(say);
    const mongo = new MongoClient(bench.platform.mongoUrl);
    bench.lifecycle.add("driver", { stop: () => mongo.close() });
    try {
      say(`· ${devices} devices straight into the event store, ${points} points straight into InfluxDB`);
      await fillDevices(bench, devices);
      const span = await fillPoints(bench, points, watched);
      say(`· ${pages} pages`);
      const paged = await timed(pages, concurrency, (n) => askPage(bench, n));
      say(`· ${series} series`);
      const asked = await timed(series, concurrency, (n) => askSeries(bench, n % watched, span));
      say("· the same pages from the document store, by the bare driver");
      const collection = await devicesCollection(mongo);
      const bare = await timed(pages, concurrency, (n) =>
        collection
          .find({ tenantId: bench.tenant, "location.site": `site-${n % SITES}` }, { sort: { deviceId: 1 }, limit: 50 })
          .toArray(),
      );
      const baseline = { name: "pages of 50 by the bare mongodb driver", per_s: Math.round(bare.perSecond) };
      return {
        figures: {
          devices,
          points,
          p50_page_ms: paged.latencies.percentile(50),
          p99_page_ms: paged.latencies.percentile(99),
          pages_per_s: Math.round(paged.perSecond),
          p50_telemetry_ms: asked.latencies.percentile(50),
          p99_telemetry_ms: asked.latencies.percentile(99),
          series_per_s: Math.round(asked.perSecond),
        },
        baseline,
        ratio: ratioOf(paged.perSecond, baseline),
      };
    } finally {
      await bench.stop();
    }
  },
};

async function fillDevices({ platform, tenant, api, lifecycle }: BenchPlatform, devices: number): Promise<void> {
  const client = connectEventStore(platform.eventstoreUrl);
  lifecycle.add("event store client", { stop: () => client.dispose() });
  await appendDevices(client, tenant, devices, 2);
  await until(
    "all devices to be shown",
    async () => {
      const { devices: shown } = await api.ask<{ readonly devices: { readonly totalCount: number } }>(
        `{ devices(first: 1) { totalCount } }`,
      );
      return shown.totalCount >= devices;
    },
    120_000,
    200,
  );
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** A reading a second for each watched device up to now, three metrics each, as the writer lays them out. */
async function fillPoints({ platform, tenant }: BenchPlatform, points: number, watched: number): Promise<Span> {
  const each = Math.ceil(points / watched);
  const to = Date.now();
  const from = to - each * 1_000;
  const LINES = 10_000;
  let lines: string[] = [];
  const write = async (): Promise<void> => {
    const answer = await fetch(`${platform.influxUrl}/write?db=fleetlog`, { method: "POST", body: lines.join("\n") });
    if (!answer.ok) throw new Error(`InfluxDB answered ${answer.status}: ${await answer.text()}`);
    lines = [];
  };
  for (let second = 0; second < each; second += 1) {
    for (let n = 0; n < watched; n += 1) {
      const fields = METRICS.map((metric, index) => `${metric}=${(20 + index + (second % 100) / 10).toFixed(1)}`);
      lines.push(
        `sensor_data,tenant_id=${tenant},device_id=${deviceName(n)},device_type=${DEVICE_TYPE},location=site-${n % SITES} ${fields.join(",")} ${from + second * 1_000}000000`,
      );
      if (lines.length === LINES) await write();
    }
  }
  if (lines.length > 0) await write();
  return { from, to };
}

const PAGE = `query ($filter: DeviceFilterInput, $sort: DeviceSortInput, $after: String) {
  devices(first: 50, filter: $filter, sort: $sort, after: $after) {
    edges { node { deviceId name status deviceType location { site } updatedAt } }
    pageInfo { hasNextPage endCursor }
  }
}`;

interface PageAnswer {
  readonly devices: {
    readonly edges: readonly unknown[];
    readonly pageInfo: { readonly endCursor: string | null };
  };
}

const FILTERS: readonly ((n: number) => object)[] = [
  (n) => ({ filter: { site: `site-${n % SITES}` } }),
  () => ({ filter: { statuses: ["ACTIVE"] } }),
  (n) => ({ filter: { idPrefix: deviceName(n).slice(0, -2) } }),
  () => ({ sort: { field: "CREATED_AT", direction: "DESC" } }),
];

const cursors = new Map<number, string>();

/** By turns a site's, the active ones, an id's beginning, the newest; every other time the page after the last one of its kind. */
async function askPage({ api }: BenchPlatform, n: number): Promise<void> {
  const kind = n % FILTERS.length;
  const after = n % 8 >= FILTERS.length && kind !== 0 && kind !== 2 ? cursors.get(kind) : undefined;
  const { devices } = await api.ask<PageAnswer>(PAGE, {
    ...FILTERS[kind]?.(n),
    ...(after === undefined ? {} : { after }),
  });
  if (devices.edges.length === 0) throw new Error("a page came back empty");
  const { endCursor } = devices.pageInfo;
  if (endCursor !== null) cursors.set(kind, endCursor);
}

/** By turns the last thousand readings, and the whole span in 100 buckets. */
async function askSeries({ api }: BenchPlatform, n: number, { from, to }: Span): Promise<void> {
  const bucket = Math.max(1, Math.round((to - from) / 100_000));
  const { telemetry } = await api.ask<{ readonly telemetry: readonly { readonly points: readonly unknown[] }[] }>(
    `query ($device: ID!, $from: DateTime!, $to: DateTime!, $resolution: Int) {
      telemetry(deviceId: $device, metrics: ["${METRICS[0]}"], from: $from, to: $to, resolution: $resolution, limit: 1000) {
        points { timestamp value mean min max }
      }
    }`,
    {
      device: deviceName(n),
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      ...(n % 2 === 0 ? {} : { resolution: bucket }),
    },
  );
  if ((telemetry[0]?.points.length ?? 0) === 0) throw new Error("a series came back empty");
}

/** The read model's collection, whatever generation it is of. */
async function devicesCollection(mongo: MongoClient): Promise<ReturnType<ReturnType<MongoClient["db"]>["collection"]>> {
  const db = mongo.db("fleetlog");
  const names = (await db.listCollections().toArray()).map(({ name }) => name);
  const name = names.find((candidate) => candidate.startsWith("devices"));
  if (name === undefined) throw new Error(`there is no collection of devices among ${names.join(", ")}`);
  return db.collection(name);
}
