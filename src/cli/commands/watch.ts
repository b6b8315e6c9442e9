import type { Command } from "commander";
import { list, upperCaseList } from "../arguments.js";
import type { Begin, Work } from "../cli.js";
import { cell } from "../output.js";
import { ALERT_CHANGED } from "./alert-queries.js";
import type { Alert } from "./alert-queries.js";

const TELEMETRY_RECEIVED = /* GraphQL */ `
  subscription ($deviceId: ID!, $metrics: [String!]) {
    telemetryReceived(deviceId: $deviceId, metrics: $metrics) {
      deviceId
      timestamp
      receivedAt
      values
    }
  }
`;

interface Reading {
  readonly deviceId: string;
  readonly timestamp: string;
  readonly receivedAt: string;
  readonly values: Readonly<Record<string, unknown>>;
}

interface AlertOptions {
  readonly device?: string;
  readonly severity?: readonly string[];
  readonly status?: readonly string[];
}

export function addWatchCommands(program: Command, begin: Begin): void {
  const watch = program.command("watch").description("what happens, as it happens, until Ctrl-C");
  watch
    .command("alerts")
    .description("each alert that is raised, acknowledged or resolved")
    .option("--device <id>", "of this device")
    .option("--severity <severities>", "LOW, MEDIUM, HIGH, CRITICAL", upperCaseList)
    .option("--status <statuses>", "ACTIVE, ACKNOWLEDGED, RESOLVED", upperCaseList)
    .action((options: AlertOptions, command: Command) => {
      const work = begin(command);
      const { out, connect, signal } = work;
      const variables = { deviceId: options.device, severities: options.severity, statuses: options.status };
      const next = (data: unknown): void => {
        const { alertChanged: alert } = data as { readonly alertChanged: Alert };
        out.show(alert, () =>
          out.line(
            cell(
              `${alert.triggeredAt}  ${alert.severity.padEnd(8)}  ${alert.status.padEnd(12)}  ${alert.alertId}  ${alert.message}`,
            ),
          ),
        );
      };
      return connect("tenant").subscribe(ALERT_CHANGED, variables, { next, ...told(work, "alerts") }, signal);
    });
  watch
    .command("telemetry <device>")
    .description("each reading of a device, once it is stored")
    .option("--metric <metrics>", "these metrics only", list)
    .action((deviceId: string, options: { readonly metric?: readonly string[] }, command: Command) => {
      const work = begin(command);
      const { out, connect, signal } = work;
      const variables = { deviceId, metrics: options.metric };
      const next = (data: unknown): void => {
        const { telemetryReceived: reading } = data as { readonly telemetryReceived: Reading };
        out.show(reading, () => out.line(cell(`${reading.timestamp}  ${JSON.stringify(reading.values)}`)));
      };
      return connect("tenant").subscribe(
        TELEMETRY_RECEIVED,
        variables,
        { next, ...told(work, `readings of ${deviceId}`) },
        signal,
      );
    });
}

/** What is said of the connection: subscriptions tell of what happens, not of what happened while there was none. */
function told({ out }: Work, what: string): { readonly connected: () => void; readonly lost: () => void } {
  let before = false;
  return {
    connected: () => {
      out.note(
        before ? "connected again; what happened meanwhile is not shown here" : `watching ${what}; Ctrl-C ends it`,
      );
      before = true;
    },
    lost: () => out.note("the connection is lost; trying again"),
  };
}
