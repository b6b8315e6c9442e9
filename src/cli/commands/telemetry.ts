import type { Command } from "commander";
import { count, list, pastTime, seconds } from "../arguments.js";
import type { Begin } from "../cli.js";
import { addTelemetryExport } from "./telemetry-export.js";
import type { Output } from "../output.js";

const LATEST = /* GraphQL */ `
  query ($device: ID!) {
    latestTelemetry(deviceId: $device) {
      metric
      value
      timestamp
    }
  }
`;

const SERIES = /* GraphQL */ `
  query ($device: ID!, $metrics: [String!], $from: DateTime, $to: DateTime, $resolution: Int, $limit: Int!) {
    telemetry(deviceId: $device, metrics: $metrics, from: $from, to: $to, resolution: $resolution, limit: $limit) {
      metric
      points {
        timestamp
        value
        mean
        min
        max
        count
      }
    }
  }
`;

interface Latest {
  readonly metric: string;
  readonly value: unknown;
  readonly timestamp: string;
}

interface Point {
  readonly timestamp: string;
  readonly value: unknown;
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly count: number | null;
}

interface Series {
  readonly metric: string;
  readonly points: readonly Point[];
}

interface TelemetryOptions {
  readonly latest?: true;
  readonly metric?: readonly string[];
  readonly from?: string;
  readonly to?: string;
  readonly resolution?: number;
  readonly limit: number;
}

/** A device called "export" has to be asked for over GraphQL: here it is the command. */
export function addTelemetryCommand(program: Command, begin: Begin): void {
  const telemetry = program
    .command("telemetry <device>")
    .description("what a device measured in the last hour, or the time given")
    .option("--latest", "the newest value of each metric, whenever it came")
    .option("--metric <metrics>", "these metrics only", list)
    .option("--from <time>", "at this time or later: 6h, or a time", pastTime)
    .option("--to <time>", "before this time", pastTime)
    .option("--resolution <duration>", "mean, min, max and count of each span so long", seconds)
    .option("--limit <n>", "points a metric at most, the newest of them", count, 1_000)
    .action(async (device: string, options: TelemetryOptions, command: Command) => {
      const { out, connect } = begin(command);
      const client = connect("tenant");
      if (options.latest === true) {
        const { latestTelemetry } = await client.request<{ readonly latestTelemetry: readonly Latest[] }>(LATEST, {
          device,
        });
        const wanted = latestTelemetry.filter(({ metric }) => options.metric?.includes(metric) ?? true);
        out.show(wanted, () => showLatest(out, wanted));
        return;
      }
      const { metric: metrics, from, to, resolution, limit } = options;
      const variables = { device, metrics, from, to, resolution, limit };
      const { telemetry } = await client.request<{ readonly telemetry: readonly Series[] }>(SERIES, variables);
      out.show(telemetry, () => showSeries(out, telemetry, resolution !== undefined));
    });
  addTelemetryExport(telemetry, begin);
}

function showLatest(out: Output, rows: readonly Latest[]): void {
  out.table<Latest>(
    [
      { title: "METRIC", of: (row) => row.metric },
      { title: "VALUE", of: (row) => row.value },
      { title: "TIME", of: (row) => row.timestamp },
    ],
    rows,
  );
}

function showSeries(out: Output, series: readonly Series[], buckets: boolean): void {
  const rows = series
    .flatMap(({ metric, points }) => points.map((point) => ({ metric, ...point })))
    .toSorted((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
  const when = [
    { title: "TIME", of: (row: Point & { readonly metric: string }) => row.timestamp },
    { title: "METRIC", of: (row: Point & { readonly metric: string }) => row.metric },
  ];
  const what = buckets
    ? [
        { title: "MEAN", of: (row: Point) => row.mean },
        { title: "MIN", of: (row: Point) => row.min },
        { title: "MAX", of: (row: Point) => row.max },
        { title: "COUNT", of: (row: Point) => row.count },
      ]
    : [{ title: "VALUE", of: (row: Point) => row.value }];
  out.table([...when, ...what], rows);
}
