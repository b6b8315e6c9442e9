import { z } from "zod";
import type { PartHealth } from "./platform/lifecycle.js";

/** What the processes of one machine tell each other over the supervisor's IPC channels. */
const partHealth = z.object({
  name: z.string(),
  state: z.enum(["up", "degraded", "down"]),
  detail: z.string().exactOptional(),
  lag: z.number().exactOptional(),
  lagUnit: z.enum(["events", "messages", "ms"]).exactOptional(),
});

const message = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready"), ports: z.record(z.string(), z.number()) }),
  z.object({
    type: z.literal("report"),
    process: z.string(),
    parts: z.array(partHealth),
    /** prom-client's getMetricsAsJSON. */
    metrics: z.array(z.unknown()),
  }),
]);

export type ProcessMessage = z.infer<typeof message>;
export type ProcessReport = Extract<ProcessMessage, { readonly type: "report" }>;

/** Undefined for what is not one of ours. */
export function parseProcessMessage(value: unknown): ProcessMessage | undefined {
  const parsed = message.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

/** A report that is older says nothing about now. */
const STALE_MS = 10_000;
export const REPORT_EVERY_MS = 2_000;

/** The newest report of every other process of this machine. */
export class OtherProcesses {
  readonly #reports = new Map<string, { readonly report: ProcessReport; readonly at: number }>();

  heard(report: ProcessReport): void {
    this.#reports.set(report.process, { report, at: Date.now() });
  }

  health(): readonly PartHealth[] {
    return [...this.#reports.values()].flatMap(({ report, at }): readonly PartHealth[] =>
      Date.now() - at < STALE_MS
        ? report.parts
        : [
            {
              name: `process ${report.process}`,
              state: "down",
              detail: `silent for ${Math.round((Date.now() - at) / 1000)} s`,
            },
          ],
    );
  }

  metrics(): readonly (readonly unknown[])[] {
    return [...this.#reports.values()].map(({ report }) => report.metrics);
  }
}
