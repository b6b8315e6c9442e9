import type { Command } from "commander";
import { count, pastTime } from "../arguments.js";
import type { Begin } from "../cli.js";
import { take } from "../pages.js";
import { UsageError } from "../problem.js";
import { COUNTS, REJECTIONS, REPLAY } from "./rejection-queries.js";
import type { Rejection, ReplayAnswer } from "./rejection-queries.js";

interface FilterOptions {
  readonly device?: string;
  readonly door?: string;
  readonly code?: string;
  readonly from?: string;
  readonly to?: string;
}

/** In one request. */
const MAX_REPLAYED = 500;

export function addRejectionsCommands(program: Command, begin: Begin): void {
  const rejections = program.command("rejections").description("messages that were refused, and why");

  filtered(rejections.command("list").description("those that are kept, newest first"))
    .option("--limit <n>", "so many at most", count, 100)
    .action(async (options: FilterOptions & { readonly limit: number }, command: Command) => {
      const { out, connect } = begin(command);
      const filter = filterOf(options);
      const { nodes, more } = await take<Rejection>(
        connect("tenant"),
        REJECTIONS,
        { filter },
        "rejections",
        options.limit,
      );
      out.show(nodes, () =>
        out.table<Rejection>(
          [
            { title: "REJECTION", of: (row) => row.rejectionId },
            { title: "AT", of: (row) => row.at },
            { title: "DEVICE", of: (row) => row.deviceId },
            { title: "DOOR", of: (row) => row.door },
            { title: "CODE", of: (row) => row.code },
            { title: "REPLAYED", of: (row) => row.replayed?.outcome ?? (row.replayable ? "no" : "cannot be") },
            { title: "REASON", of: (row) => row.reason },
          ],
          nodes,
        ),
      );
      if (more) out.note(`there are more than these ${nodes.length}: raise --limit, or filter`);
    });

  rejections
    .command("count")
    .description("how many were refused, kept or not")
    .option("--by <what>", "code, door or device", "code")
    .option("--device <id>", "of this device")
    .option("--from <time>", "in the hour of this time or later (default: a day ago)", pastTime)
    .option("--to <time>", "before this time", pastTime)
    .action(async (options: FilterOptions & { readonly by: string }, command: Command) => {
      const { out, connect } = begin(command);
      const { device: deviceId, from, to } = options;
      const by = options.by.toUpperCase();
      const answer = await connect("tenant").request<{
        readonly rejectionCounts: readonly { readonly key: string; readonly count: number }[];
      }>(COUNTS, { by, deviceId, from, to });
      out.show(answer.rejectionCounts, () =>
        out.table(
          [
            { title: by, of: (row: { readonly key: string }) => row.key },
            { title: "REFUSED", of: (row: { readonly count: number }) => String(row.count) },
          ],
          answer.rejectionCounts,
        ),
      );
    });

  filtered(
    rejections
      .command("replay [ids...]")
      .description("takes them in once more, after their cause is mended; by ids, or all that match"),
  )
    .option("--all", "all that match, though no filter is given")
    .action(async (ids: readonly string[], options: FilterOptions & { readonly all?: true }, command: Command) => {
      const { out, connect } = begin(command);
      const filter = filterOf(options);
      const isFiltered = Object.values(filter).some((value) => value !== undefined);
      if (ids.length > 0 && (isFiltered || options.all === true)) {
        throw new UsageError("Give ids or a filter, not both.");
      }
      if (ids.length === 0 && !isFiltered && options.all !== true) {
        throw new UsageError("Say which to replay: their ids, a filter, or --all.");
      }
      const client = connect("tenant");
      const untriedSince = new Date().toISOString();
      const results: ReplayAnswer["replayRejections"]["results"][number][] = [];
      for (let from = 0; ; from += MAX_REPLAYED) {
        const input = ids.length > 0 ? { ids: ids.slice(from, from + MAX_REPLAYED) } : { filter, untriedSince };
        const { replayRejections } = await client.request<ReplayAnswer>(REPLAY, { input });
        results.push(...replayRejections.results);
        const isStuck = replayRejections.results.some(({ outcome }) => outcome === "UNAVAILABLE");
        const more = ids.length > 0 ? from + MAX_REPLAYED < ids.length : replayRejections.more;
        if (!more || isStuck) break;
      }
      out.show(results, () => {
        const tally = new Map<string, number>();
        for (const { outcome } of results) tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
        for (const { rejectionId, outcome, reason } of results) {
          if (outcome !== "STORED") out.line(`${rejectionId} ${outcome}${reason === null ? "" : `: ${reason}`}`);
        }
        out.line([...tally].map(([outcome, n]) => `${outcome} ${n}`).join(", ") || "none match");
      });
    });
}

function filtered(command: Command): Command {
  return command
    .option("--device <id>", "of this device")
    .option("--door <door>", "that came in there: mqtt, http, coap, nats, bridge, reports, or writer")
    .option("--code <code>", "refused with this code")
    .option("--from <time>", "that came at this time or later", pastTime)
    .option("--to <time>", "that came before this time", pastTime);
}

function filterOf({ device, door, code, from, to }: FilterOptions): Readonly<Record<string, string | undefined>> {
  return { deviceId: device, door, code: code?.toUpperCase(), from, to };
}
