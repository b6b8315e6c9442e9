import type { Command } from "commander";
import { FleetlogError } from "../../platform/errors.js";
import { count, pastTime, upperCaseList } from "../arguments.js";
import type { Begin } from "../cli.js";
import { take } from "../pages.js";
import { noteUnshown } from "../shown.js";
import { ACKNOWLEDGE, ALERTS, RESOLVE } from "./alert-queries.js";
import type { Alert } from "./alert-queries.js";

interface ListOptions {
  readonly status?: readonly string[];
  readonly severity?: readonly string[];
  readonly device?: string;
  readonly rule?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
  readonly quiet?: true;
}

interface AlertPayload {
  readonly shown: boolean;
  readonly alert: Alert | null;
}

export function addAlertCommands(program: Command, begin: Begin): void {
  const alert = program.command("alert").description("what the rules found");
  alert
    .command("list")
    .description("alerts, newest first")
    .option("--status <statuses>", "ACTIVE, ACKNOWLEDGED, RESOLVED", upperCaseList)
    .option("--severity <severities>", "LOW, MEDIUM, HIGH, CRITICAL", upperCaseList)
    .option("--device <id>", "of this device")
    .option("--rule <id>", "of this rule")
    .option("--from <time>", "triggered at this time or later", pastTime)
    .option("--to <time>", "triggered before this time", pastTime)
    .option("--limit <n>", "so many at most", count, 100)
    .option("--quiet", "their ids alone, a line each")
    .action(async (options: ListOptions, command: Command) => {
      const { out, connect } = begin(command);
      const { status, severity, device, rule, from, to, limit } = options;
      const filter = { statuses: status, severities: severity, deviceId: device, ruleId: rule, from, to };
      const { nodes, more } = await take<Alert>(connect("tenant"), ALERTS, { filter }, "alerts", limit);
      if (options.quiet === true) {
        for (const { alertId } of nodes) out.line(alertId);
        return;
      }
      out.show(nodes, () =>
        out.table<Alert>(
          [
            { title: "ALERT", of: (row) => row.alertId },
            { title: "SEVERITY", of: (row) => row.severity },
            { title: "STATUS", of: (row) => row.status },
            { title: "DEVICE", of: (row) => row.deviceId },
            { title: "TRIGGERED", of: (row) => row.triggeredAt },
            { title: "MESSAGE", of: (row) => row.message },
          ],
          nodes,
        ),
      );
      if (more) out.note(`there are more than these ${nodes.length}: raise --limit, or filter`);
    });
  change("ack", "say that somebody looks after it", ACKNOWLEDGE, "acknowledgeAlert");
  change("resolve", "say that it is over", RESOLVE, "resolveAlert");

  function change(verb: string, description: string, mutation: string, field: string): void {
    alert
      .command(`${verb} <id>`)
      .description(description)
      .option("--note <text>", "in your words; it stands in the history")
      .action(async (alertId: string, options: { readonly note?: string }, command: Command) => {
        const { out, connect } = begin(command);
        const input = { alertId, ...options };
        const answer = await connect("tenant").request<Record<string, AlertPayload>>(mutation, { input });
        const payload = answer[field];
        if (payload === undefined) throw new FleetlogError("INTERNAL", `the answer to ${field} is empty`);
        noteUnshown(out, payload);
        out.show(payload.alert, () => out.line(`alert ${alertId} is ${payload.alert?.status ?? "changed"}`));
      });
  }
}
