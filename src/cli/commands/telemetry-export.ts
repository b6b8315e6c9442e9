import type { Command } from "commander";
import { list, pastTime, seconds } from "../arguments.js";
import type { Begin } from "../cli.js";

interface ExportOptions {
  readonly metric?: readonly string[];
  readonly from?: string;
  readonly to?: string;
  readonly resolution?: number;
  readonly format: string;
}

export function addTelemetryExport(telemetry: Command, begin: Begin): void {
  telemetry
    .command("export <device...>")
    .description("everything that devices measured, as CSV or JSON lines on standard output")
    .option("--metric <metrics>", "these metrics only", list)
    .option("--from <time>", "at this time or later: 30d, or a time (default: an hour before --to)", pastTime)
    .option("--to <time>", "before this time (default: now)", pastTime)
    .option("--resolution <duration>", "mean, min, max and count of each span so long", seconds)
    .option("--format <format>", "csv or jsonl", "csv")
    .action(async (devices: readonly string[], _options: ExportOptions, command: Command) => {
      // The command above has options of these names too, and takes them first.
      const options = command.optsWithGlobals<ExportOptions>();
      const { out, connect, signal } = begin(command);
      const client = connect("tenant");
      const query = new URLSearchParams({ device: devices.join(","), format: options.format });
      if (options.metric !== undefined) query.set("metrics", options.metric.join(","));
      for (const name of ["from", "to", "resolution"] as const) {
        const value = options[name];
        if (value !== undefined) query.set(name, String(value));
      }
      for await (const piece of client.download(
        (tenant) => `/v1/export/${tenant}/telemetry?${query.toString()}`,
        signal,
      )) {
        await out.piece(piece);
      }
    });
}
