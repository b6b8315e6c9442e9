import type { Command } from "commander";
import { Option } from "commander";
import { FleetlogError } from "../../platform/errors.js";
import { finite, list, seconds, whole } from "../arguments.js";
import type { Begin } from "../cli.js";
import { take } from "../pages.js";
import { UsageError } from "../problem.js";
import { noteUnshown } from "../shown.js";
import { CREATE_RULE, DISABLE_RULE, ENABLE_RULE, RULES, conditionText } from "./rule-queries.js";
import type { Rule } from "./rule-queries.js";

interface CreateOptions {
  readonly metric: string;
  readonly above?: number;
  readonly atLeast?: number;
  readonly below?: number;
  readonly atMost?: number;
  readonly clear?: number;
  readonly for: number;
  readonly severity: string;
  readonly cooldown: number;
  readonly description?: string;
  readonly device?: readonly string[];
  readonly type?: readonly string[];
  readonly site?: readonly string[];
}

interface RulePayload {
  readonly shown: boolean;
  readonly alertRule: Rule | null;
}

export function addRuleCommands(program: Command, begin: Begin): void {
  const rule = program.command("rule").description("when alerts are raised");
  rule
    .command("create <name>")
    .description("a rule on a metric; it is in force within 2 s")
    .requiredOption("--metric <metric>", "what it watches")
    .option("--above <n>", "raise above this", finite)
    .option("--at-least <n>", "raise at this or above", finite)
    .option("--below <n>", "raise below this", finite)
    .option("--at-most <n>", "raise at this or below", finite)
    .option("--clear <n>", "resolve only when it is back beyond this (default: the threshold)", finite)
    .addOption(duration("--for <duration>", "it must hold so long, in device time"))
    .option("--severity <severity>", "LOW, MEDIUM, HIGH or CRITICAL", (text) => text.toUpperCase(), "MEDIUM")
    .addOption(duration("--cooldown <duration>", "no new alert on the device for so long after one was raised"))
    .option("--description <text>")
    .option("--device <ids>", "these devices only", list)
    .option("--type <types>", "devices of these types only", list)
    .option("--site <sites>", "devices at these sites only", list)
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const { out, connect } = begin(command);
      const input = inputOf(name, options);
      const { createAlertRule } = await connect("tenant").request<{ readonly createAlertRule: RulePayload }>(
        CREATE_RULE,
        { input },
      );
      noteUnshown(out, createAlertRule);
      const created = createAlertRule.alertRule;
      out.show(created, () =>
        out.line(created === null ? "the rule is stored" : `rule ${created.ruleId}: ${conditionText(created)}`),
      );
    });
  rule
    .command("list")
    .option("--enabled", "those in force only")
    .option("--metric <metric>", "on this metric")
    .option("--limit <n>", "so many at most", whole, 100)
    .action(
      async (
        options: { readonly enabled?: true; readonly metric?: string; readonly limit: number },
        command: Command,
      ) => {
        const { out, connect } = begin(command);
        const { limit, ...filter } = options;
        const { nodes, more } = await take<Rule>(connect("tenant"), RULES, { filter }, "alertRules", limit);
        out.show(nodes, () =>
          out.table<Rule>(
            [
              { title: "RULE", of: (row) => row.ruleId },
              { title: "NAME", of: (row) => row.name },
              { title: "ENABLED", of: (row) => (row.enabled ? "yes" : "no") },
              { title: "SEVERITY", of: (row) => row.severity },
              { title: "CONDITION", of: conditionText },
              { title: "VERSION", of: (row) => row.version },
            ],
            nodes,
          ),
        );
        if (more) out.note(`there are more than these ${nodes.length}: raise --limit`);
      },
    );
  turn("enable", ENABLE_RULE, "enableAlertRule", "put it in force");
  turn("disable", DISABLE_RULE, "disableAlertRule", "take it out of force; its open alerts are resolved");

  function turn(verb: string, mutation: string, field: string, description: string): void {
    rule
      .command(`${verb} <id>`)
      .description(description)
      .action(async (ruleId: string, _: object, command: Command) => {
        const { out, connect } = begin(command);
        const answer = await connect("tenant").request<Record<string, RulePayload>>(mutation, { input: { ruleId } });
        const payload = answer[field];
        if (payload === undefined) throw new FleetlogError("INTERNAL", `the answer to ${field} is empty`);
        noteUnshown(out, payload);
        out.show(payload.alertRule, () => out.line(`rule ${ruleId} is ${verb}d`));
      });
  }
}

function duration(flags: string, description: string): Option {
  return new Option(flags, description).argParser(seconds).default(0, "0s");
}

function inputOf(name: string, options: CreateOptions): object {
  const thresholds = [
    { operator: "GT", threshold: options.above },
    { operator: "GTE", threshold: options.atLeast },
    { operator: "LT", threshold: options.below },
    { operator: "LTE", threshold: options.atMost },
  ].filter(({ threshold }) => threshold !== undefined);
  const [threshold, ...others] = thresholds;
  if (threshold === undefined || others.length > 0) {
    throw new UsageError("give one of --above, --at-least, --below and --at-most");
  }
  const filter = { deviceIds: options.device, deviceTypes: options.type, sites: options.site };
  return {
    name,
    description: options.description,
    severity: options.severity,
    cooldownSeconds: options.cooldown,
    filter,
    condition: {
      ...threshold,
      metric: options.metric,
      clearThreshold: options.clear,
      forSeconds: options.for,
    },
  };
}
